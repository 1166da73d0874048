"""Training that can be interrupted anywhere and ends in the same bits."""
