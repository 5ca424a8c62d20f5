package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// mailConns are the connections to the mail server, of the limit and of the gateway.
const mailConns = 32

// runGoMail sends mails with go-mail and does nothing else: no store, no queue, no decision. Each is built for itself, as go-mail
// has it, and goes over kept connections with four round trips. The words are those of the gateway's own invitation,
// rendered once.
func runGoMail(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("gomail", flag.ContinueOnError)
	to := f.String("to", "", "")
	n := f.Int("n", 1000, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	words, err := invitation(ctx)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(*to)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	faults := make([]error, mailConns)
	start := time.Now()
	for i := range mailConns {
		wg.Go(func() {
			client, err := gomail.NewClient(host, gomail.WithPort(number), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithoutNoop(), gomail.WithoutRset())
			if err == nil {
				err = client.DialWithContext(ctx)
			}
			for err == nil && next.Add(1) <= int64(*n) {
				err = sendOne(client, words)
			}
			faults[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("go-mail: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(loadResult{Items: *n, Seconds: time.Since(start).Seconds()})
}

func sendOne(client *gomail.Client, words templates.Rendered) error {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := errors.Join(m.From("ankete@lipa.example"), m.To("ana@example.hr")); err != nil {
		return err
	}
	m.Subject(words.Subject)
	m.SetMessageID()
	m.SetBodyString(gomail.TypeTextPlain, words.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, words.HTML)
	return client.Send(m)
}

// builtin are the messages that come with the program.
type builtin []survey.Release

// Release implements templates.Source.
func (b builtin) Release(_ context.Context, id string, _ int) (survey.Release, error) {
	for _, r := range b {
		if r.Survey == id {
			return r, nil
		}
	}
	return survey.Release{}, survey.ErrNotFound
}

// invitation is the email that the gateway sends, to a sample of a customer.
func invitation(ctx context.Context) (templates.Rendered, error) {
	packs, err := templates.LoadPacks()
	if err != nil {
		return templates.Rendered{}, err
	}
	surveys := survey.Builtin()
	r := templates.NewRenderer(builtin(templates.BuiltinReleases(packs, surveys)), packs, map[string]templates.Brand{"": {Name: "Lipa"}})
	send := templates.SampleSend(surveys[0], "hr")
	links := templates.NewLinks("http://127.0.0.1:8080", make([]byte, 16)).URLs(send.ID)
	return r.Render(ctx, templates.Request{
		Survey: surveys[0], Version: 1, Kind: survey.Invitation, Channel: survey.Email, Locale: "hr", Links: links,
		Vars: templates.Vars(send, templates.Brand{Name: "Lipa"}, surveys[0], links, nil),
	})
}
