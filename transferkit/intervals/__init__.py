"""How sure a figure is: intervals of shares in closed form, and of other figures by resampling."""

from transferkit.intervals.closed_form import difference_interval, share_interval

__all__ = ["difference_interval", "share_interval"]
