-- Exact dispatch: revisions, priorities, the history of people, scopes of suppressions; and tables with fewer B-trees.
-- SQLite reads the marked comments as words: such a table is one B-tree, ordered by its key, instead of two.

-- +goose Up
ALTER TABLE sends ADD COLUMN rev BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sends ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
-- What goes first in a lane, and who shares it: "0", "1 <survey>" or "2 <survey>" (store/queue.go).
ALTER TABLE sends ADD COLUMN queue TEXT NOT NULL DEFAULT '';
UPDATE sends SET queue = CASE WHEN kind IN ('invitation', 'reminder') THEN '1 ' || survey ELSE '0' END WHERE lane <> '';
DROP INDEX sends_due;
CREATE INDEX sends_due ON sends (lane, queue, due_at) WHERE lane <> '';

-- A send is written before its attempts in the same transaction: no foreign key needs to look for it.
CREATE TABLE attempts_by_send (
    id          TEXT NOT NULL,
    send_id     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    step        BIGINT NOT NULL,
    channel     TEXT NOT NULL,
    sender      TEXT NOT NULL,
    address     TEXT NOT NULL,
    status      TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    fault       TEXT NOT NULL,
    code        TEXT NOT NULL,
    segments    BIGINT NOT NULL,
    epoch       BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (send_id, id)
) /* SQLite: WITHOUT ROWID */;
INSERT INTO attempts_by_send (id, send_id, kind, step, channel, sender, address, status, provider_id, fault, code, segments, epoch, at, updated_at)
SELECT id, send_id, kind, step, channel, sender, address, status, provider_id, fault, code, segments, epoch, at, updated_at
FROM attempts ORDER BY send_id, id;
DROP TABLE attempts;
ALTER TABLE attempts_by_send RENAME TO attempts;
CREATE UNIQUE INDEX attempts_id ON attempts (id);
-- Not unique: a provider that gives one id twice must not stop a result from being recorded.
CREATE INDEX attempts_provider ON attempts (provider_id, sender) WHERE provider_id <> '';

DROP VIEW events;
CREATE TABLE ledger_by_send (
    send_id TEXT NOT NULL,
    id      TEXT NOT NULL,
    type    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    data    TEXT NOT NULL,
    PRIMARY KEY (send_id, id)
) /* SQLite: WITHOUT ROWID */;
INSERT INTO ledger_by_send (send_id, id, type, at, data) SELECT send_id, id, type, at, data FROM ledger ORDER BY send_id, id;
DROP TABLE ledger;
ALTER TABLE ledger_by_send RENAME TO ledger;
-- The whole ledger.
CREATE VIEW events AS
SELECT send_id, id, type, at, data FROM ledger
UNION ALL
SELECT id, substr(accepted, 1, 30), 'send.accepted', created_at, substr(accepted, 31) FROM sends;

CREATE TABLE contacts_by_id (
    id          TEXT PRIMARY KEY,
    mode        TEXT NOT NULL,
    brand       TEXT NOT NULL,
    external_id TEXT NOT NULL,
    email       TEXT NOT NULL,
    phone       TEXT NOT NULL,
    viber_id    TEXT NOT NULL,
    name        TEXT NOT NULL,
    actor       TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
) /* SQLite: WITHOUT ROWID */;
INSERT INTO contacts_by_id (id, mode, brand, external_id, email, phone, viber_id, name, actor, created_at, updated_at)
SELECT id, mode, brand, external_id, email, phone, viber_id, name, actor, created_at, updated_at FROM contacts ORDER BY id;
DROP TABLE contacts;
ALTER TABLE contacts_by_id RENAME TO contacts;

-- The latest send that spoke to an address ('' when none invited it), what it was asked and answered (store/history.go
-- has the lines), and the session with it: when the person last wrote, our messages since then, and in all.
CREATE TABLE threads_by_address (
    address    TEXT NOT NULL,
    channel    TEXT NOT NULL,
    mode       TEXT NOT NULL,
    send_id    TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    history    TEXT NOT NULL,
    heard_at   BIGINT NOT NULL,
    unanswered BIGINT NOT NULL,
    said       BIGINT NOT NULL,
    PRIMARY KEY (address, channel, mode)
) /* SQLite: WITHOUT ROWID */;
INSERT INTO threads_by_address (address, channel, mode, send_id, updated_at, history, heard_at, unanswered, said)
SELECT t.address, t.channel, t.mode, t.send_id, t.updated_at,
CASE WHEN t.invited_at = 0 OR s.id IS NULL THEN ''
ELSE 'I ' || t.invited_at || ' ' || t.send_id || ' ' || t.channel || ' ' || s.survey || ' ' || '
' END, 0, 0, 0
FROM threads t LEFT JOIN sends s ON s.id = t.send_id ORDER BY t.address, t.channel, t.mode;
DROP TABLE threads;
ALTER TABLE threads_by_address RENAME TO threads;

-- An address may have one suppression of each scope and subject: a brand or a survey.
CREATE TABLE suppressions_by_scope (
    address TEXT NOT NULL,
    channel TEXT NOT NULL,
    mode    TEXT NOT NULL,
    scope   TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason  TEXT NOT NULL,
    source  TEXT NOT NULL,
    send_id TEXT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (address, channel, mode, scope, subject)
) /* SQLite: WITHOUT ROWID */;
INSERT INTO suppressions_by_scope (address, channel, mode, scope, subject, reason, source, send_id, at)
SELECT address, channel, mode, scope, '', reason, source, send_id, at FROM suppressions;
DROP TABLE suppressions;
ALTER TABLE suppressions_by_scope RENAME TO suppressions;

-- +goose Down
-- Forward only: what 0001 could not hold would be lost.
