-- +goose Up
-- known has every id that was ever named with the contact, sends the ids of its sends, both in the order in which they came: columns of a row
-- that is written anyway cost less than rows of their own. A list of sends that is full is no longer added to.
ALTER TABLE contacts ADD COLUMN merged_into TEXT NOT NULL DEFAULT '';
ALTER TABLE contacts ADD COLUMN erased_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN known TEXT NOT NULL DEFAULT '';
ALTER TABLE contacts ADD COLUMN sends TEXT NOT NULL DEFAULT '';
CREATE INDEX contacts_merged ON contacts (merged_into) WHERE merged_into <> '';
CREATE INDEX contacts_new ON contacts (mode, created_at, id);

-- Whom an email address, phone or Viber id names: maybe several people. An external id needs no row: the id of its
-- contact is made of it.
CREATE TABLE identities (
    value      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    mode       TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    PRIMARY KEY (value, kind, mode, contact_id)
) /* SQLite: WITHOUT ROWID */;

CREATE TABLE consents (
    contact_id  TEXT NOT NULL,
    mode        TEXT NOT NULL,
    basis       TEXT NOT NULL,
    source      TEXT NOT NULL,
    at          BIGINT NOT NULL,
    channel     TEXT NOT NULL,
    send_id     TEXT NOT NULL,
    actor       TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (contact_id, at, basis, source, channel)
) /* SQLite: WITHOUT ROWID */;

CREATE TABLE contact_events (
    contact_id TEXT NOT NULL,
    id         TEXT NOT NULL,
    mode       TEXT NOT NULL,
    type       TEXT NOT NULL,
    actor      TEXT NOT NULL,
    at         BIGINT NOT NULL,
    data       TEXT NOT NULL,
    PRIMARY KEY (contact_id, id)
) /* SQLite: WITHOUT ROWID */;

-- Under which keys the suppressions of people are kept who are forgotten once this is read, a space behind each; '' = nobody is.
ALTER TABLE inbox ADD COLUMN forget TEXT NOT NULL DEFAULT '';
CREATE INDEX inbox_forget ON inbox (id) WHERE forget <> '';

-- An email is kept in lower case (ADR 16).
UPDATE sends SET email = lower(email) WHERE email <> lower(email);
UPDATE attempts SET address = lower(address) WHERE channel = 'email' AND address <> lower(address);
INSERT INTO suppressions (address, channel, mode, scope, subject, reason, source, send_id, at)
SELECT lower(address), channel, mode, scope, subject, reason, source, send_id, at FROM suppressions
WHERE channel = 'email' AND address <> lower(address) ORDER BY at
ON CONFLICT DO NOTHING;
DELETE FROM suppressions WHERE channel = 'email' AND address <> lower(address);
-- Of several spellings the latest, joined with what is there in lower case.
INSERT INTO threads (address, channel, mode, send_id, updated_at, history, heard_at, unanswered, said)
SELECT lower(address), channel, mode, send_id, updated_at, history, heard_at, unanswered, said
FROM (SELECT threads.*, row_number() OVER (PARTITION BY lower(address), mode ORDER BY updated_at DESC) AS place
FROM threads WHERE channel = 'email' AND address <> lower(address)) AS mixed WHERE place = 1
ON CONFLICT (address, channel, mode) DO UPDATE SET
send_id = CASE WHEN excluded.updated_at > threads.updated_at THEN excluded.send_id ELSE threads.send_id END,
history = CASE WHEN excluded.updated_at > threads.updated_at THEN excluded.history || threads.history ELSE threads.history || excluded.history END,
updated_at = CASE WHEN excluded.updated_at > threads.updated_at THEN excluded.updated_at ELSE threads.updated_at END;
DELETE FROM threads WHERE channel = 'email' AND address <> lower(address);

-- Whoever merges contacts holds this row.
INSERT INTO settings (name, value, at) VALUES ('contacts.merge', '', 0);
-- Sends from before are read back once.
INSERT INTO settings (name, value, at) VALUES ('contacts.behind.before', 'snd_', 0);

-- +goose Down
DELETE FROM settings WHERE name LIKE 'contacts.%';
DROP INDEX inbox_forget;
ALTER TABLE inbox DROP COLUMN forget;
DROP TABLE contact_events;
DROP TABLE consents;
DROP TABLE identities;
DROP INDEX contacts_new;
DROP INDEX contacts_merged;
ALTER TABLE contacts DROP COLUMN sends;
ALTER TABLE contacts DROP COLUMN known;
ALTER TABLE contacts DROP COLUMN erased_at;
ALTER TABLE contacts DROP COLUMN merged_into;
