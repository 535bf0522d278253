"""Getting the segments done: a plain worker that stylizes one, and the scheduler that runs many on Ray."""
