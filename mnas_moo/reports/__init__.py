"""How a study is shown: text, plots, progress and the dashboard."""
