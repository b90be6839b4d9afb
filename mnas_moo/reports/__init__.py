"""What a study looks like: text, plots, progress and the dashboard."""
