"""What the child does for each kind of job: run(job, folder, progress) -> outcome (JSON). Models only."""
