"""Azure itself: which cloud, who we are to it, and how long it may take to know us."""
