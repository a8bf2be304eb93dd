"""The order of things: prompt rendering, reply, judgement, outcome; look-ahead; turns."""
