"""The pipeline of an item: prompt, reply, judgement, outcome; turns; preparing later items."""
