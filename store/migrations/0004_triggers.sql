-- +goose Up
-- A place is what one transaction of one contact has of a rule's daily cap; granted FALSE says that there was none left,
-- so that a repetition is told the same.
CREATE TABLE trigger_places (
    trigger_id TEXT NOT NULL,
    mode       TEXT NOT NULL,
    same_key   TEXT NOT NULL,
    per        TEXT NOT NULL,
    day        TEXT NOT NULL,
    granted    BOOLEAN NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (same_key, trigger_id, mode)
);

CREATE TABLE trigger_days (
    trigger_id TEXT NOT NULL,
    mode       TEXT NOT NULL,
    per        TEXT NOT NULL,
    day        TEXT NOT NULL,
    taken      BIGINT NOT NULL,
    PRIMARY KEY (day, trigger_id, per, mode)
);

-- What a shop told and was taken in: a repetition makes nothing, even when the shop has changed the address meanwhile.
CREATE TABLE shop_events (
    shop     TEXT NOT NULL,
    same_key TEXT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (shop, same_key)
);

-- By what is forgotten after a time.
CREATE INDEX trigger_places_at ON trigger_places (at);
CREATE INDEX shop_events_at ON shop_events (at);

-- +goose Down
DROP TABLE shop_events;
DROP TABLE trigger_days;
DROP TABLE trigger_places;
