CREATE TABLE meta (
	"key" VARCHAR NOT NULL,
	value VARCHAR NOT NULL,
	PRIMARY KEY ("key")
);
CREATE TABLE run (
	id VARCHAR NOT NULL,
	problem_id VARCHAR NOT NULL,
	task_json VARCHAR NOT NULL,
	config_json VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	verdict VARCHAR,
	stop_reason VARCHAR,
	answer VARCHAR,
	reference_match BOOLEAN,
	seed INTEGER NOT NULL,
	created_at FLOAT NOT NULL,
	updated_at FLOAT NOT NULL,
	closed_at FLOAT,
	spent_calls INTEGER NOT NULL,
	spent_tokens INTEGER NOT NULL,
	spent_seconds FLOAT NOT NULL,
	spent_cost FLOAT NOT NULL,
	owner VARCHAR,
	owner_until FLOAT,
	active_at FLOAT,
	PRIMARY KEY (id)
);
CREATE INDEX ix_run_created_at ON run (created_at);
CREATE INDEX ix_run_status ON run (status);
CREATE TABLE bead (
	id VARCHAR NOT NULL,
	"key" VARCHAR,
	kind VARCHAR NOT NULL,
	title VARCHAR NOT NULL,
	body VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	priority INTEGER NOT NULL,
	parent VARCHAR,
	run_id VARCHAR,
	tier VARCHAR,
	assignee VARCHAR,
	lease_until FLOAT,
	attempts INTEGER NOT NULL,
	confidence FLOAT,
	surprise FLOAT,
	labels JSON NOT NULL,
	data JSON NOT NULL,
	created_at FLOAT NOT NULL,
	updated_at FLOAT NOT NULL,
	closed_at FLOAT,
	close_reason VARCHAR,
	PRIMARY KEY (id),
	UNIQUE ("key"),
	FOREIGN KEY(parent) REFERENCES bead (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_bead_parent ON bead (parent);
CREATE INDEX bead_of_run ON bead (run_id, status, priority, created_at);
CREATE INDEX bead_frontier ON bead (status, priority, created_at);
CREATE TABLE call (
	sequence INTEGER NOT NULL,
	"key" VARCHAR NOT NULL,
	run_id VARCHAR NOT NULL,
	bead_id VARCHAR NOT NULL,
	tier VARCHAR NOT NULL,
	specialist VARCHAR NOT NULL,
	adapter_digest VARCHAR NOT NULL,
	model VARCHAR NOT NULL,
	prompt JSON NOT NULL,
	response VARCHAR NOT NULL,
	prompt_tokens INTEGER NOT NULL,
	completion_tokens INTEGER NOT NULL,
	latency_s FLOAT NOT NULL,
	cost FLOAT NOT NULL,
	finish_reason VARCHAR NOT NULL,
	attempt INTEGER NOT NULL,
	sample INTEGER NOT NULL,
	params JSON NOT NULL,
	created_at FLOAT NOT NULL,
	PRIMARY KEY (sequence),
	UNIQUE ("key")
);
CREATE INDEX ix_call_bead_id ON call (bead_id);
CREATE INDEX ix_call_run_id ON call (run_id);
CREATE TABLE dependency (
	from_id VARCHAR NOT NULL,
	to_id VARCHAR NOT NULL,
	type VARCHAR NOT NULL,
	PRIMARY KEY (from_id, to_id, type),
	FOREIGN KEY(from_id) REFERENCES bead (id) ON DELETE CASCADE,
	FOREIGN KEY(to_id) REFERENCES bead (id) ON DELETE CASCADE
);
CREATE INDEX ix_dependency_to_id ON dependency (to_id);
INSERT INTO meta VALUES ('schema_version', '1');
INSERT INTO run VALUES ('run-1', 'p', '{}', '{}', 'finished', 'verified', 'done', '42', 1, 0, 1.0, 2.0, 2.0, 1, 7, 1.5, 0.0, NULL, NULL, NULL);
INSERT INTO bead VALUES ('hm-top', NULL, 'epic', 'Naïve — "quoted"', '', 'open', 2, NULL, 'run-1', NULL, NULL, NULL, 0, NULL, NULL, '[]', '{"n": [1]}', 1.0, 1.0, NULL, NULL);
INSERT INTO bead VALUES ('hm-one', NULL, 'task', 'first', '', 'open', 2, NULL, 'run-1', NULL, NULL, NULL, 0, NULL, NULL, '[]', '{}', 2.0, 2.0, NULL, NULL);
INSERT INTO bead VALUES ('hm-two', NULL, 'step', 'second', '', 'open', 2, 'hm-top', 'run-1', NULL, NULL, NULL, 0, NULL, NULL, '[]', '{}', 3.0, 3.0, NULL, NULL);
INSERT INTO dependency VALUES ('hm-two', 'hm-one', 'blocks');
