package console

import (
	"context"
	"log/slog"
	"time"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// Deps is what the console stands on. All but DemoLogin are required.
type Deps struct {
	Users    Users
	Releases Releases
	Drafts   Drafts
	Sends    Sends
	Ops      Ops
	People   People
	// Suppressions are shown and changed.
	Suppressions Suppressions
	// Renderer is the one that makes the messages that are sent: what is seen here is what is sent.
	Renderer *templates.Renderer
	// TestSend puts a text on a sandbox phone or inbox and answers where it can be seen. A wrong address is a
	// survey.InvalidError.
	TestSend func(ctx context.Context, s survey.Survey, t survey.Text, to, actor string) (phoneURL string, err error)
	// DemoLogin signs in without a password; nil outside of the demo.
	DemoLogin func(ctx context.Context) (token string, err error)

	Surveys   []survey.Survey // never changes
	PublicURL string          // as people call it: cookies are Secure where it is https, forms of its origin are ours
	Zone      *time.Location  // in which times are shown; nil = UTC
	Log       *slog.Logger
	Now       func() time.Time
}

// A Session is a signed-in person.
type Session struct {
	UserID string
	Name   string
	CSRF   string // in every form of this session
}

// Users are the people who may sign in.
type Users interface {
	// SignIn answers survey.ErrNotFound when email and password do not match, whichever it is, after the same time.
	SignIn(ctx context.Context, email, password string) (token string, err error)
	// Session answers survey.ErrNotFound when the token is unknown or over.
	Session(ctx context.Context, token string) (Session, error)
	SignOut(ctx context.Context, token string) error
	CountUsers(ctx context.Context) (int, error)
	// Actor is the name of whom an actor's id stands for; the id itself when nobody knows.
	Actor(ctx context.Context, id string) string
}

// Releases are published messages, and publishing.
type Releases interface {
	CurrentVersions(ctx context.Context) (map[string]int, error)
	Release(ctx context.Context, surveyID string, version int) (survey.Release, error)
	// Releases gives them without texts, newest first.
	Releases(ctx context.Context, surveyID string) ([]survey.Release, error)
	// Publish answers survey.ErrConflict when base is not the current version.
	Publish(ctx context.Context, surveyID string, base int, texts []survey.Text, actor, note string) (survey.Release, error)
}

// Drafts are messages that are being written. A draft without words removes the message when it is published.
type Drafts interface {
	Drafts(ctx context.Context, surveyID string) ([]survey.Text, error)
	SaveDraft(ctx context.Context, surveyID string, t survey.Text, actor string) error
	DropDraft(ctx context.Context, surveyID string, kind survey.Kind, channel survey.Channel, locale string) error
}

// Sends are what went out.
type Sends interface {
	// Recent gives the newest ones.
	Recent(ctx context.Context, limit int) ([]survey.Send, error)
	Send(ctx context.Context, id string) (survey.Send, []survey.Attempt, error)
	// Events gives the newest first.
	Events(ctx context.Context, sendID, cursor string, limit int) ([]survey.Event, string, error)
}

// A Sample is how much is known of the person in a preview.
type Sample string

// The samples.
const (
	SampleFull Sample = "full" // name, order, attributes
	SampleBare Sample = "bare" // an address only: every variable that may be empty is
)
