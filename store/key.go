package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
)

const (
	keyColumns = `id, name, mode, scopes, hash, hint, actor, created_at, revoked_at, last_used_at`

	insertKey = `INSERT INTO api_keys (` + keyColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`

	selectKeyByHash = `SELECT ` + keyColumns + ` FROM api_keys WHERE hash = $1`
	selectKeys      = `SELECT ` + keyColumns + ` FROM api_keys ORDER BY id DESC`

	revokeKey = `UPDATE api_keys SET revoked_at = CASE WHEN revoked_at = 0 THEN $2 ELSE revoked_at END WHERE id = $1`
	touchKey  = `UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2`
)

// CreateKey stores a key; survey.ErrConflict when its id or hash is there. CreatedAt is filled in.
func (s *Store) CreateKey(ctx context.Context, k auth.Key) error {
	if k.CreatedAt.IsZero() {
		k.CreatedAt = s.now()
	}
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, insertKey, k.ID, clean(k.Name), string(k.Mode), strings.Join(k.Scopes, " "), hex.EncodeToString(k.Hash[:]), k.Hint,
			k.Actor, micros(k.CreatedAt), micros(k.RevokedAt), micros(k.LastUsedAt))
		return conflict(n, err)
	})
}

// conflict turns an insert of no row into survey.ErrConflict.
func conflict(n int64, err error) error {
	if err == nil && n == 0 {
		return survey.ErrConflict
	}
	return err
}

// KeyByHash finds a key, also a revoked one: ask its Active. survey.ErrNotFound when there is none.
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (auth.Key, error) {
	keys, err := s.keys(ctx, selectKeyByHash, hex.EncodeToString(hash[:]))
	if err == nil && len(keys) == 0 {
		err = survey.ErrNotFound
	}
	if err != nil {
		return auth.Key{}, err
	}
	return keys[0], nil
}

// Keys lists all keys, newest first, also revoked ones.
func (s *Store) Keys(ctx context.Context) ([]auth.Key, error) { return s.keys(ctx, selectKeys) }

func (s *Store) keys(ctx context.Context, text string, args ...any) ([]auth.Key, error) {
	var keys []auth.Key
	rows, err := s.reader.query(ctx, text, args...)
	err = each(rows, err, func(row scanner) error {
		var k auth.Key
		var scopes, hash string
		var created, revoked, used int64
		err := row.Scan(&k.ID, &k.Name, (*string)(&k.Mode), &scopes, &hash, &k.Hint, &k.Actor, &created, &revoked, &used)
		if err == nil {
			err = decodeHash(hash, &k.Hash)
		}
		k.Scopes = strings.Fields(scopes)
		k.CreatedAt, k.RevokedAt, k.LastUsedAt = moment(created), moment(revoked), moment(used)
		keys = append(keys, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("select keys: %w", err)
	}
	return keys, nil
}

// RevokeKey ends a key for good. A second time changes nothing; survey.ErrNotFound when there is no such key.
func (s *Store) RevokeKey(ctx context.Context, id string, now time.Time) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		return notFound(t.exec(ctx, revokeKey, id, micros(now)))
	})
}

// TouchKey records that a key was used. Call it seldom, not for every request.
func (s *Store) TouchKey(ctx context.Context, id string, now time.Time) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, touchKey, id, micros(now))
		return err
	})
}

const (
	userColumns = `id, email, name, role, password_hash, actor, created_at`

	insertUser = `INSERT INTO users (` + userColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`

	selectUserByEmail = `SELECT ` + userColumns + ` FROM users WHERE email = $1`
	selectUser        = `SELECT ` + userColumns + ` FROM users WHERE id = $1`
	countUsers        = `SELECT count(*) FROM users`
	updateUserSecret  = `UPDATE users SET password_hash = $2 WHERE id = $1` //nolint:gosec // holds none
	sessionColumns    = `hash, user_id, csrf, created_at, expires_at`
	insertSession     = `INSERT INTO sessions (` + sessionColumns + `) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`
	selectSession     = `SELECT ` + sessionColumns + ` FROM sessions WHERE hash = $1 AND expires_at > $2`
	deleteSession     = `DELETE FROM sessions WHERE hash = $1`
	deleteSessionsOf  = `DELETE FROM sessions WHERE user_id = $1`
)

// CreateUser stores a user; survey.ErrConflict when the id or email is there. Email is kept in lower case; ID and
// CreatedAt are filled in.
func (s *Store) CreateUser(ctx context.Context, u auth.User) error {
	if u.CreatedAt.IsZero() {
		u.CreatedAt = s.now()
	}
	if u.ID == "" {
		u.ID = s.ids.New(survey.UserPrefix, u.CreatedAt)
	}
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		return conflict(t.exec(ctx, insertUser, u.ID, strings.ToLower(clean(u.Email)), clean(u.Name), u.Role, u.PasswordHash, u.Actor,
			micros(u.CreatedAt)))
	})
}

// UserByEmail finds a user whatever the case of the email; survey.ErrNotFound when there is none.
func (s *Store) UserByEmail(ctx context.Context, email string) (auth.User, error) {
	return s.user(ctx, selectUserByEmail, strings.ToLower(clean(email)))
}

// User gives a user; survey.ErrNotFound when there is none.
func (s *Store) User(ctx context.Context, id string) (auth.User, error) {
	return s.user(ctx, selectUser, id)
}

func (s *Store) user(ctx context.Context, text, arg string) (auth.User, error) {
	var u auth.User
	var created int64
	err := s.reader.row(ctx, text, []any{arg}, &u.ID, &u.Email, &u.Name, &u.Role, &u.PasswordHash, &u.Actor, &created)
	u.CreatedAt = moment(created)
	return u, err
}

// Users counts the users.
func (s *Store) Users(ctx context.Context) (n int, err error) {
	err = s.reader.row(ctx, countUsers, nil, &n)
	return n, err
}

// SetPassword replaces the password hash of a user and signs the user out everywhere; survey.ErrNotFound when there
// is no such user.
func (s *Store) SetPassword(ctx context.Context, userID, hash string) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		if err := notFound(t.exec(ctx, updateUserSecret, userID, hash)); err != nil {
			return err
		}
		_, err := t.exec(ctx, deleteSessionsOf, userID)
		return err
	})
}

// CreateSession stores a session; survey.ErrNotFound when there is no such user.
func (s *Store) CreateSession(ctx context.Context, x auth.Session) error {
	if x.CreatedAt.IsZero() {
		x.CreatedAt = s.now()
	}
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		var id string
		if err := one(ctx, t, `SELECT id FROM users WHERE id = $1`, []any{x.UserID}, &id); err != nil {
			return err
		}
		return conflict(t.exec(ctx, insertSession, hex.EncodeToString(x.Hash[:]), x.UserID, x.CSRF, micros(x.CreatedAt), micros(x.ExpiresAt)))
	})
}

// SessionByHash finds a session that has not ended; survey.ErrNotFound when there is none.
func (s *Store) SessionByHash(ctx context.Context, hash [32]byte) (auth.Session, error) {
	x := auth.Session{Hash: hash}
	var text string
	var created, expires int64
	err := s.reader.row(ctx, selectSession, []any{hex.EncodeToString(hash[:]), micros(s.now())}, &text, &x.UserID, &x.CSRF, &created, &expires)
	x.CreatedAt, x.ExpiresAt = moment(created), moment(expires)
	return x, err
}

// DeleteSession signs a browser out; a session that is not there is no error.
func (s *Store) DeleteSession(ctx context.Context, hash [32]byte) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, deleteSession, hex.EncodeToString(hash[:]))
		return err
	})
}
