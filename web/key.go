package web

import (
	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/auth"
)

type keyKey struct{}

// RequireKey lets only calls through whose API key has the scope.
func RequireKey(keys *auth.Keys, scope string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		key, err := keys.Authenticate(c.UserContext(), c.Get(fiber.HeaderAuthorization))
		if err != nil {
			return err
		}
		if err := key.Require(scope); err != nil {
			return err
		}
		c.Locals(keyKey{}, key)
		return c.Next()
	}
}

// Key is the API key that RequireKey let through; the zero Key when it was not asked.
func Key(c *fiber.Ctx) auth.Key {
	key, _ := c.Locals(keyKey{}).(auth.Key)
	return key
}
