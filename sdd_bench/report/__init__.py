"""Pages and plots, shared by analysis, evaluation and leaderboard: plain data in, HTML and pictures out."""
