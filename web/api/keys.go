package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// listKeys is GET /v1/keys.
func (a *API) listKeys(c *fiber.Ctx) error {
	if _, err := queryOf(c); err != nil {
		return err
	}
	keys, err := a.cfg.Keys.Keys(c.UserContext())
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	var views []keyView
	for _, k := range keys {
		if k.Mode == web.Key(c).Mode {
			views = append(views, viewKey(k))
		}
	}
	return sendList(c, views, "")
}

// A newKey is the body of POST /v1/keys.
type newKey struct {
	name   string
	scopes []string
}

// createKey is POST /v1/keys. A key of one mode makes keys of that mode, and gives no scope that it lacks.
func (a *API) createKey(c *fiber.Ctx) error {
	src, err := jsonBody(c)
	if err != nil {
		return err
	}
	asked, err := a.readKey(src)
	if err != nil {
		return err
	}
	by, now := web.Key(c), a.now()
	k, secret, err := auth.NewKey(a.cfg.IDs.New(survey.KeyPrefix, now), asked.name, by.Mode, asked.scopes, by.ID, now)
	if err != nil {
		return err
	}
	for _, s := range k.Scopes {
		if err := by.Require(s); err != nil {
			return err
		}
	}
	if err := a.cfg.Keys.CreateKey(c.UserContext(), k); err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	v := viewKey(k)
	v.Secret = secret
	c.Set(fiber.HeaderCacheControl, "no-store")
	return sendJSON(c, http.StatusCreated, v)
}

func (a *API) readKey(src string) (newKey, error) {
	r := a.readers.take(src)
	defer a.readers.give(r)
	var k newKey
	for ok := r.begin(); ok && r.more(); {
		switch name := r.name(); name {
		case "name":
			k.name = strings.Clone(r.text(maxName))
		case "scopes":
			for ok := r.beginList(); ok && r.more(); {
				if len(k.scopes) <= len(auth.Scopes()) {
					k.scopes = append(k.scopes, strings.Clone(r.text(maxWord)))
				} else {
					r.value()
				}
			}
		default:
			r.unknown(name, "name", "scopes")
		}
	}
	return k, r.finish()
}

// revokeKey is POST /v1/keys/{id}/revoke. Revoking twice changes nothing.
func (a *API) revokeKey(c *fiber.Ctx) error {
	id := c.Params("id")
	keys, err := a.cfg.Keys.Keys(c.UserContext())
	if err != nil {
		return fmt.Errorf("look up key: %w", err)
	}
	for _, k := range keys {
		if k.ID != id || k.Mode != web.Key(c).Mode {
			continue
		}
		if k.RevokedAt.IsZero() {
			k.RevokedAt = a.now()
			if err := a.cfg.Keys.RevokeKey(c.UserContext(), id, k.RevokedAt); err != nil {
				return fmt.Errorf("revoke %s: %w", id, err)
			}
		}
		a.cfg.Auth.Forget(id)
		return sendJSON(c, http.StatusOK, viewKey(k))
	}
	return survey.ErrNotFound
}

// jsonBody gives the body of a call that takes JSON and no query.
func jsonBody(c *fiber.Ctx) (string, error) {
	if _, err := mediaType(c, mediaJSON); err != nil {
		return "", err
	}
	if _, err := queryOf(c); err != nil {
		return "", err
	}
	return string(c.Request().Body()), nil
}
