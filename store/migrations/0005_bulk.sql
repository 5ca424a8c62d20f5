-- +goose Up
-- Dead letters, and the few that may become one. The condition is on the reason, which is empty on the way of a send
-- that goes well: its changes do not touch this index.
CREATE INDEX sends_letters ON sends (id)
WHERE reason IN ('attempts_exhausted', 'provider_rejected', 'unreachable', 'misconfigured', 'render_failed', 'no_sender', 'no_address', 'uncertain');

-- By what is forgotten after a day.
CREATE INDEX idempotency_at ON idempotency (at);

-- +goose Down
DROP INDEX idempotency_at;
DROP INDEX sends_letters;
