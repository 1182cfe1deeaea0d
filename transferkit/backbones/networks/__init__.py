"""Networks that transferkit builds itself: one module each; a card names its function as ``constructor``."""
