"""When the training of a CGN has failed: its masks show all of one texture and nothing of the other."""

from collections.abc import Mapping, Sequence

from cgnlib.training.loop import LOG_EVERY

COLLAPSE_ROWS = 100  # logged rows in a row with a mask mean out of bounds
MASK_BOUNDS = (0.02, 0.98)


def masks_collapsed(log: Mapping[str, Sequence[float]]) -> str:
    """Why to stop, or "": a `watch` of `run`, for a step function that gives "mask mean"."""
    recent, (low, high) = log["mask mean"][-COLLAPSE_ROWS:], MASK_BOUNDS
    if len(recent) < COLLAPSE_ROWS or any(low <= mean <= high for mean in recent):
        return ""
    return (
        f"masks collapsed (mean {recent[-1]:.3f}, outside [{low}, {high}] for {COLLAPSE_ROWS * LOG_EVERY} steps up to "
        f"{log['step'][-1]:.0f}). Take another seed or a recipe with a mask prior."
    )
