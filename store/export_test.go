package store

import (
	"context"

	"github.com/odziv/odziv/survey"
)

// Widen is widen, for tests.
func (s *Store) Widen(ctx context.Context, states []survey.State) (map[string][]string, error) {
	return s.widen(ctx, states)
}

// OwesContacts is owesContacts, for tests.
func (s *Store) OwesContacts(ctx context.Context) (bool, error) { return s.owesContacts(ctx) }

// Hold keeps the writer busy until release is called.
func (s *Store) Hold(ctx context.Context) (release func()) {
	held, over := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.other(ctx, func(context.Context, *tx) error {
			close(held)
			<-over
			return nil
		})
	}()
	<-held
	return func() { close(over) }
}

// AwaitSearches waits for what is looked for in the inbox.
func (s *Store) AwaitSearches() { s.searches.Wait() }

// Waiting is how many jobs wait for the writer.
func (s *Store) Waiting() int { return len(s.queue) }
