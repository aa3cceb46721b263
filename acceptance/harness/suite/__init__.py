"""One run as pytest sees it: what is collected, judged and reported."""
