"""Figures, tables and boxes of the pages."""
