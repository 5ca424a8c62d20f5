-- One text for SQLite and PostgreSQL: ids are TEXT, times BIGINT (Unix microseconds, UTC, 0 = none), JSON is TEXT.

-- +goose Up
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL,
    at    BIGINT NOT NULL
);

CREATE TABLE contacts (
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
);

-- accepted is the first event of the ledger, the 30 letters of its id and then its data: a row of its own would cost
-- a tenth of accepting a send. response_id and attempts say what there is to load beside the row, so that a send without any costs no look-up.
CREATE TABLE sends (
    id             TEXT PRIMARY KEY,
    mode           TEXT NOT NULL,
    brand          TEXT NOT NULL,
    survey         TEXT NOT NULL,
    survey_version BIGINT NOT NULL,
    locale         TEXT NOT NULL,
    contact_id     TEXT NOT NULL,
    email          TEXT NOT NULL,
    phone          TEXT NOT NULL,
    viber_id       TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    status         TEXT NOT NULL,
    reason         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    step           BIGINT NOT NULL DEFAULT 0,
    lane           TEXT NOT NULL,
    due_at         BIGINT NOT NULL,
    epoch          BIGINT NOT NULL DEFAULT 0,
    tries          BIGINT NOT NULL DEFAULT 0,
    expires_at     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    actor          TEXT NOT NULL,
    plan           TEXT NOT NULL,
    doc            TEXT NOT NULL,
    accepted       TEXT NOT NULL,
    thread         TEXT NOT NULL DEFAULT '',
    response_id    TEXT NOT NULL DEFAULT '',
    attempts       BIGINT NOT NULL DEFAULT 0
);
-- The transaction first: it serves the search for one transaction too.
CREATE UNIQUE INDEX sends_transaction ON sends (transaction_id, survey, contact_id, mode) WHERE transaction_id <> '';
CREATE INDEX sends_due ON sends (lane, due_at) WHERE lane <> '';

CREATE TABLE attempts (
    id          TEXT PRIMARY KEY,
    send_id     TEXT NOT NULL REFERENCES sends (id),
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
    updated_at  BIGINT NOT NULL
);
CREATE INDEX attempts_send ON attempts (send_id);
-- Not unique: a provider that gives one id twice must not stop a result from being recorded.
CREATE INDEX attempts_provider ON attempts (provider_id, sender) WHERE provider_id <> '';

CREATE TABLE ledger (
    send_id TEXT NOT NULL,
    id      TEXT NOT NULL,
    type    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    data    TEXT NOT NULL,
    PRIMARY KEY (send_id, id)
);

-- The whole ledger.
CREATE VIEW events AS
SELECT send_id, id, type, at, data FROM ledger
UNION ALL
SELECT id, substr(accepted, 1, 30), 'send.accepted', created_at, substr(accepted, 31) FROM sends;

CREATE TABLE responses (
    id             TEXT PRIMARY KEY,
    send_id        TEXT NOT NULL UNIQUE REFERENCES sends (id),
    mode           TEXT NOT NULL,
    survey         TEXT NOT NULL,
    survey_version BIGINT NOT NULL,
    locale         TEXT NOT NULL,
    complete       BOOLEAN NOT NULL,
    metric         TEXT NOT NULL,
    score          BIGINT NOT NULL,
    segment        TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);

CREATE TABLE answers (
    response_id TEXT NOT NULL REFERENCES responses (id),
    question    TEXT NOT NULL,
    place       BIGINT NOT NULL,
    value       BIGINT,
    text        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    evidence    TEXT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (response_id, question)
);

-- The latest send that spoke to an address, and when an address was last invited.
CREATE TABLE threads (
    address    TEXT NOT NULL,
    channel    TEXT NOT NULL,
    mode       TEXT NOT NULL,
    send_id    TEXT NOT NULL,
    invited_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (address, channel, mode)
);

CREATE TABLE suppressions (
    address TEXT NOT NULL,
    channel TEXT NOT NULL,
    mode    TEXT NOT NULL,
    scope   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    source  TEXT NOT NULL,
    send_id TEXT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (address, channel, mode)
);

CREATE TABLE inbox (
    id       TEXT PRIMARY KEY,
    mode     TEXT NOT NULL,
    sender   TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    url      TEXT NOT NULL,
    same_key TEXT NOT NULL,
    header   TEXT NOT NULL,
    body     BYTEA NOT NULL,
    at       BIGINT NOT NULL,
    due_at   BIGINT NOT NULL,
    tries    BIGINT NOT NULL,
    result   TEXT NOT NULL,
    done_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX inbox_same ON inbox (same_key, sender) WHERE same_key <> '';
CREATE INDEX inbox_due ON inbox (due_at) WHERE result = '';

CREATE TABLE idempotency (
    same_key TEXT NOT NULL,
    actor    TEXT NOT NULL,
    hash     TEXT NOT NULL,
    status   BIGINT NOT NULL,
    body     BYTEA NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (same_key, actor)
);

CREATE TABLE releases (
    survey  TEXT NOT NULL,
    version BIGINT NOT NULL,
    texts   TEXT NOT NULL,
    actor   TEXT NOT NULL,
    note    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (survey, version)
);

CREATE TABLE drafts (
    survey  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    channel TEXT NOT NULL,
    locale  TEXT NOT NULL,
    subject TEXT NOT NULL,
    text    TEXT NOT NULL,
    html    TEXT NOT NULL,
    actor   TEXT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (survey, kind, channel, locale)
);

CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    mode         TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    hint         TEXT NOT NULL,
    actor        TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    actor         TEXT NOT NULL,
    created_at    BIGINT NOT NULL
);

CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id),
    csrf       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE sandbox_messages (
    id    TEXT PRIMARY KEY,
    phone TEXT NOT NULL,
    doc   TEXT NOT NULL,
    at    BIGINT NOT NULL
);
CREATE INDEX sandbox_messages_phone ON sandbox_messages (phone, id);

-- +goose Down
DROP TABLE sandbox_messages;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE api_keys;
DROP TABLE drafts;
DROP TABLE releases;
DROP TABLE idempotency;
DROP TABLE inbox;
DROP TABLE suppressions;
DROP TABLE threads;
DROP TABLE answers;
DROP TABLE responses;
DROP VIEW events;
DROP TABLE ledger;
DROP TABLE attempts;
DROP TABLE sends;
DROP TABLE contacts;
DROP TABLE settings;
