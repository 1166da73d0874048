"""Speed beside plain code and published code; what kills at random moments leave behind."""
