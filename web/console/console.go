// Package console is the marketers' workshop: messages edited, checked, seen, tried and published in the browser,
// and sends with what became of them. Pages are made on the server and work without script; with it, remarks and
// preview follow the typing.
package console

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

// root is where the console lives; the cookie goes no further.
const root = "/console"

// A Console answers everything under /console.
type Console struct {
	deps    Deps
	views   views
	assets  assets
	tries   *tries
	linted  *lintCache
	surveys map[string]survey.Survey
	names   []string // ids of surveys in their order
}

// New reads the embedded views and assets; an error is a fault of the program.
func New(deps Deps) (*Console, error) {
	if deps.Zone == nil {
		deps.Zone = time.UTC
	}
	if err := deps.Ops.check(); err != nil {
		return nil, err
	}
	files, err := loadAssets()
	if err != nil {
		return nil, err
	}
	pages, err := loadViews(files, deps.Zone)
	if err != nil {
		return nil, err
	}
	c := &Console{
		deps: deps, views: pages, assets: files, tries: newTries(deps.Now), linted: new(lintCache),
		surveys: map[string]survey.Survey{},
	}
	for _, s := range deps.Surveys {
		c.surveys[s.ID] = s
		c.names = append(c.names, s.ID)
	}
	return c, nil
}

// Register adds the routes. Everything but the door and the assets asks for a session.
func (c *Console) Register(app fiber.Router) {
	g := app.Group(root, c.guard)
	g.Get("/assets/:name", c.asset)
	g.Get("/sign-in", c.signInPage)
	g.Post("/sign-in", c.signIn)
	g.Post("/sign-in/demo", c.signInDemo)

	in := g.Group("", c.authenticate)
	in.Post("/sign-out", c.signOut)
	in.Get("/", c.home)
	in.Get("/messages", c.index)
	message := "/messages/:survey/:kind/:channel/:locale"
	in.Get(message, c.editor)
	in.Post(message+"/draft", c.saveDraft)
	in.Post(message+"/discard", c.dropDraft)
	in.Post(message+"/test", c.testSend)
	in.Get(message+"/frame", c.mailFrame)
	in.Get("/publish/:survey", c.publishPage)
	in.Post("/publish/:survey", c.publish)
	in.Get("/versions/:survey", c.versions)
	in.Get("/versions/:survey/:version", c.version)
	in.Post("/versions/:survey/:version/rollback", c.rollBack)
	in.Get("/sends", c.sends)
	in.Get("/sends/:id", c.send)
	c.registerOps(in)
	in.Get("/contacts", c.contacts)
	in.Get("/contacts/:id", c.contact)
	in.Get("/contacts/:id/export", c.exportContact)
	in.Post("/contacts/:id/merge", c.mergeContact)
	in.Post("/contacts/:id/erase", c.eraseContact)
	in.Get("/suppressions", c.suppressions)
	in.Post("/suppressions", c.addSuppression)
	in.Post("/suppressions/lift", c.liftSuppression)
	in.Use(func(*fiber.Ctx) error { return survey.ErrNotFound })
}

// Names under which handlers find what the middleware knows.
const (
	localNonce   = "console_nonce"
	localSession = "console_session"
)

// guard sets the headers of every page, refuses foreign forms, and turns errors into pages.
func (c *Console) guard(f *fiber.Ctx) error {
	nonce := newNonce()
	f.Locals(localNonce, nonce)
	f.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"+nonce+"'; "+
		"img-src 'self' data:; connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	f.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	// Not no-referrer: with it browsers send «Origin: null» with our own forms.
	f.Set(fiber.HeaderReferrerPolicy, "same-origin")
	f.Set(fiber.HeaderCacheControl, "no-store")
	f.Set("Cross-Origin-Opener-Policy", "same-origin")
	if !c.ownForm(f) {
		return c.problem(f, errForeign)
	}
	if err := f.Next(); err != nil {
		return c.problem(f, err)
	}
	return nil
}

func newNonce() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// What a handler refuses by itself.
var (
	errForeign = errors.New("the form came from another site")
	errToken   = errors.New("the form is not of this session")
	errTooLong = errors.New("the text is too long")
)

// A problemView is an error page, or the notice of it for a page that is open.
type problemView struct {
	page
	Title, Detail string
	SignIn        bool
}

// problem decides the status of an error and says what to do. The unknown is logged and shows nothing of itself.
func (c *Console) problem(f *fiber.Ctx, err error) error {
	var fe *fiber.Error
	v := problemView{}
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, survey.ErrNotFound):
		status = http.StatusNotFound
		v.Title, v.Detail = "There is nothing here", "The address is wrong, or the thing it named is gone."
	case errors.Is(err, errForeign):
		status = http.StatusForbidden
		v.Title, v.Detail = "This form came from another site", "Nothing was changed. Open the console by its own address and try again."
	case errors.Is(err, errToken):
		status = http.StatusForbidden
		v.Title, v.Detail = "This form is older than your sign-in", "Nothing was changed. Reload the page and try again."
	case errors.Is(err, errTooLong):
		status = http.StatusRequestEntityTooLarge
		v.Title = "The text is too long"
		v.Detail = fmt.Sprintf("Nothing was saved. A field holds at most %d bytes.", maxField)
	case errors.Is(err, errSignedOut):
		status, v.SignIn = http.StatusUnauthorized, true
		v.Title, v.Detail = "You are signed out", "Sign in in another tab, then go on here. Your words are still in this page."
	case errors.As(err, &fe):
		status = fe.Code
		v.Title, v.Detail = http.StatusText(fe.Code), "Nothing was changed."
	default:
		c.deps.Log.ErrorContext(f.UserContext(), "console request", "path", f.Path(), "error", err)
		v.Title, v.Detail = "Something went wrong on our side", "Nothing you wrote is lost. Please try again in a moment."
	}
	f.Status(status)
	if live(f) {
		f.Set("X-Fragment", "problem")
		f.Set("HX-Reswap", "none") // the preview stays as it is; the notice comes out of band
		return c.show(f, "problem-notice", v)
	}
	v.page = c.pageOf(f, v.Title, "")
	return c.show(f, "problem", v)
}

// live reports whether an open page asks, and wants a fragment.
func live(f *fiber.Ctx) bool { return f.Get("HX-Request") == "true" }
