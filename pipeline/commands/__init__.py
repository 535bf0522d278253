"""The command line's parts: arguments, the commands that only look, texts, completion, and the job that init writes."""
