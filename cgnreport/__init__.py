"""This report: from parameters to pages."""
