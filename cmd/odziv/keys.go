package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
)

// keysCmd works on the API keys in the store, with or without a gateway that runs.
type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Make a key and print it, once."`
	List   keysListCmd   `cmd:"" help:"List the keys, newest first."`
	Revoke keysRevokeCmd `cmd:"" help:"End a key at once."`
}

// cliActor is who did what is done on the command line.
const cliActor = "cli"

type keysCreateCmd struct {
	configFlags `embed:""`
	Name        string      `help:"What the key is for." default:"made on the command line"`
	Mode        survey.Mode `help:"live reaches people; test reaches sandbox senders only." enum:"live,test" default:"live"`
	Scope       []string    `help:"What it may do: sends:write, sends:read, responses:read, keys:write, templates:read, templates:write, contacts:read, contacts:write, or admin for all." default:"sends:write,sends:read,responses:read"`
}

// Run prints nothing but the key on the standard output, so that a script can take it from there.
func (c *keysCreateCmd) Run(ctx context.Context, std *streams) error {
	now := time.Now()
	key, secret, err := auth.NewKey(new(survey.IDSource).New(survey.KeyPrefix, now), c.Name, c.Mode, c.Scope, cliActor, now)
	if err != nil {
		return err
	}
	s, err := c.openStore(ctx, std)
	if err != nil {
		return err
	}
	if err := s.CreateKey(ctx, key); err != nil {
		return errors.Join(fmt.Errorf("create key: %w", err), s.Close())
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Err, "%s, a %s key for %s; it is shown this once:\n", key.ID, key.Mode, strings.Join(key.Scopes, ", "))
	_, _ = fmt.Fprintln(std.Out, secret)
	return nil
}

type keysListCmd struct {
	configFlags `embed:""`
}

// Run prints a table.
func (c *keysListCmd) Run(ctx context.Context, std *streams) error {
	s, err := c.openStore(ctx, std)
	if err != nil {
		return err
	}
	keys, err := s.Keys(ctx)
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	table := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tMODE\tHINT\tCREATED\tLAST USED\tREVOKED\tSCOPES\tNAME")
	for _, k := range keys {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			k.ID, k.Mode, k.Hint, minute(k.CreatedAt), minute(k.LastUsedAt), minute(k.RevokedAt), strings.Join(k.Scopes, ","), k.Name)
	}
	return table.Flush()
}

// minute writes a time, or a dash for one that never was.
func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

type keysRevokeCmd struct {
	configFlags `embed:""`
	ID          string `arg:"" help:"Id of the key, as «odziv keys list» shows it."`
}

// Run revokes the key. A gateway that runs takes it for another second at most.
func (c *keysRevokeCmd) Run(ctx context.Context, std *streams) error {
	s, err := c.openStore(ctx, std)
	if err != nil {
		return err
	}
	err = errors.Join(s.RevokeKey(ctx, c.ID, time.Now()), s.Close())
	if errors.Is(err, survey.ErrNotFound) {
		return fmt.Errorf("there is no key %s: «odziv keys list» shows them", c.ID)
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "%s is revoked\n", c.ID)
	return nil
}
