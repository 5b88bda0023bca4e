-- What is kept of the files of a request from its judgement on, so that later requests of the same plan are judged
-- beside it once it is released: facts as JSON text, bounded by the rules that make them.
CREATE TABLE kept (
    request TEXT NOT NULL REFERENCES request (id),
    file    BIGINT NOT NULL,
    facts   TEXT NOT NULL,
    PRIMARY KEY (request, file)
);
INSERT INTO counter (name, value) VALUES ('release', 0);
-- The order in which approvals were taken in; NULL: not approved, or handed back.
ALTER TABLE request ADD COLUMN release_number BIGINT;
-- The last release of the plan its report was compared with; NULL: with none yet, and nothing of it is kept.
ALTER TABLE request ADD COLUMN compared_with BIGINT;
UPDATE request SET release_number = 0 WHERE state IN ('releasing', 'released');
CREATE INDEX request_by_project ON request (project);
