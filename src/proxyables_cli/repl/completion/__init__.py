"""Completion at the prompt: where the cursor is, what could stand there, what the call takes."""
