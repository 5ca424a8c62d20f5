package console

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

const cookieName = "odziv_session"

var errSignedOut = errors.New("signed out")

// ownForm reports whether a request that changes something was made by a page of ours. Browsers say where it came
// from; whoever says nothing is no browser, and is held to the token alone.
//
// Source: https://developer.mozilla.org/en-US/docs/Web/HTTP/Headers/Sec-Fetch-Site
func (c *Console) ownForm(f *fiber.Ctx) bool {
	if f.Method() == fiber.MethodGet || f.Method() == fiber.MethodHead {
		return true
	}
	switch f.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := f.Get(fiber.HeaderOrigin)
	if origin == "" {
		return true
	}
	o, err := url.Parse(origin)
	if err != nil || o.Host == "" {
		return false
	}
	public, err := url.Parse(c.deps.PublicURL)
	if err == nil && public.Scheme == o.Scheme && public.Host == o.Host {
		return true
	}
	return o.Host == string(f.Request().Header.Host())
}

// authenticate finds the session, and holds every change to its token.
func (c *Console) authenticate(f *fiber.Ctx) error {
	s, err := c.deps.Users.Session(f.UserContext(), strings.Clone(f.Cookies(cookieName)))
	switch {
	case errors.Is(err, survey.ErrNotFound):
		if live(f) || f.Method() != fiber.MethodGet {
			return errSignedOut
		}
		return f.Redirect(root+"/sign-in?next="+url.QueryEscape(f.OriginalURL()), http.StatusSeeOther)
	case err != nil:
		return fmt.Errorf("look up session: %w", err)
	}
	if f.Method() != fiber.MethodGet && f.Method() != fiber.MethodHead {
		if s.CSRF == "" || subtle.ConstantTimeCompare([]byte(posted(f, "csrf")), []byte(s.CSRF)) != 1 {
			return errToken
		}
	}
	f.Locals(localSession, s)
	return f.Next()
}

// posted is a value of the form itself: what is in the address does not count.
func posted(f *fiber.Ctx, name string) string { return string(f.Request().PostArgs().Peek(name)) }

func sessionOf(f *fiber.Ctx) Session {
	s, _ := f.Locals(localSession).(Session)
	return s
}

// A doorView is the sign-in page.
type doorView struct {
	page
	Email    string
	Next     string
	Problem  string
	Demo     bool
	FirstRun bool // nobody can sign in yet
}

func (c *Console) signInPage(f *fiber.Ctx) error {
	if token := f.Cookies(cookieName); token != "" {
		if _, err := c.deps.Users.Session(f.UserContext(), strings.Clone(token)); err == nil {
			return f.Redirect(nextOf(f), http.StatusSeeOther)
		}
	}
	return c.door(f, doorView{})
}

func (c *Console) door(f *fiber.Ctx, v doorView) error {
	v.Demo = c.deps.DemoLogin != nil
	n, err := c.deps.Users.CountUsers(f.UserContext())
	if err != nil {
		return fmt.Errorf("count users: %w", err)
	}
	v.FirstRun = n == 0
	v.Next = nextOf(f)
	v.page = c.pageOf(f, "Sign in", "")
	return c.show(f, "sign-in", v)
}

// nextOf is where to go after signing in: a page of the console, nothing else.
func nextOf(f *fiber.Ctx) string {
	next := posted(f, "next")
	if next == "" {
		next = strings.Clone(f.Query("next"))
	}
	if !strings.HasPrefix(next, root+"/") || strings.ContainsAny(next, "\\\r\n") || strings.HasPrefix(next, root+"/sign-") {
		return root + "/"
	}
	return next
}

func (c *Console) signIn(f *fiber.Ctx) error {
	email := strings.TrimSpace(posted(f, "email"))
	password := posted(f, "password")
	account, place := tryKey(strings.ToLower(email), f.IP()), tryKey("", f.IP())
	wait := max(c.tries.wait(account, freeTries), c.tries.wait(place, freeTriesOfPlace))
	if wait > 0 {
		f.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(wait.Seconds())+1))
		f.Status(http.StatusTooManyRequests)
		return c.door(f, doorView{Email: email, Problem: fmt.Sprintf("Too many tries. Please wait %s, then try again.", inWords(wait))})
	}
	token, err := c.deps.Users.SignIn(f.UserContext(), email, password)
	if errors.Is(err, survey.ErrNotFound) {
		c.tries.failed(place)
		left := freeTries - c.tries.failed(account)
		problem := "Email and password do not match."
		switch {
		case left == 1:
			problem += " 1 try left before a pause."
		case left > 1:
			problem += fmt.Sprintf(" %d tries left before a pause.", left)
		default:
			problem += " Please wait a little before the next try."
		}
		f.Status(http.StatusUnauthorized)
		return c.door(f, doorView{Email: email, Problem: problem})
	}
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	c.tries.forget(account)
	c.setCookie(f, token, time.Time{})
	return f.Redirect(nextOf(f), http.StatusSeeOther)
}

func (c *Console) signInDemo(f *fiber.Ctx) error {
	if c.deps.DemoLogin == nil {
		return survey.ErrNotFound
	}
	token, err := c.deps.DemoLogin(f.UserContext())
	if err != nil {
		return fmt.Errorf("sign in as demo: %w", err)
	}
	c.setCookie(f, token, time.Time{})
	return f.Redirect(nextOf(f), http.StatusSeeOther)
}

func (c *Console) signOut(f *fiber.Ctx) error {
	if err := c.deps.Users.SignOut(f.UserContext(), strings.Clone(f.Cookies(cookieName))); err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	c.setCookie(f, "", c.deps.Now().Add(-24*time.Hour))
	return f.Redirect(root+"/sign-in", http.StatusSeeOther)
}

// setCookie gives the browser its token; a zero end leaves with the browser, and the session ends on the server.
func (c *Console) setCookie(f *fiber.Ctx, token string, end time.Time) {
	f.Cookie(&fiber.Cookie{
		Name: cookieName, Value: token, Path: root, Expires: end, SessionOnly: end.IsZero(),
		HTTPOnly: true, SameSite: fiber.CookieSameSiteLaxMode, Secure: strings.HasPrefix(c.deps.PublicURL, "https://"),
	})
}

// inWords gives a wait as a person says it, rounded up.
func inWords(d time.Duration) string {
	if d > time.Minute {
		return fmt.Sprintf("%d minutes", int((d+time.Minute-1)/time.Minute))
	}
	if s := int((d + time.Second - 1) / time.Second); s != 1 {
		return fmt.Sprintf("%d seconds", s)
	}
	return "1 second"
}
