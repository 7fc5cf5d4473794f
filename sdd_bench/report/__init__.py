"""HTML pages and plots made from plain data, shared by analysis, evaluation and leaderboard."""
