"""Pieces of pages: HTML in which everything is escaped, and charts as SVG."""
