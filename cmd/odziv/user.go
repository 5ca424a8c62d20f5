package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
)

// userCmd works on the people who sign in to the console.
type userCmd struct {
	Create   userCreateCmd   `cmd:"" help:"Create a user; the password is asked for, or read from the standard input."`
	Password userPasswordCmd `cmd:"" help:"Set a new password and end all sessions of a user."`
}

type userCreateCmd struct {
	configFlags `embed:""`
	Email       string `arg:"" help:"Email address to sign in with."`
	Name        string `help:"Name as the console shows it. Default: the address."`
	Role        string `help:"What the user may do." enum:"admin" default:"admin"`
}

// Run creates the user.
func (c *userCreateCmd) Run(ctx context.Context, std *streams) error {
	email, err := userEmail(c.Email)
	if err != nil {
		return err
	}
	hash, err := newPassword(ctx, std)
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		name = email
	}
	s, err := c.openStore(ctx, std)
	if err != nil {
		return err
	}
	user := auth.User{Email: email, Name: name, Role: c.Role, PasswordHash: hash, Actor: cliActor}
	err = errors.Join(s.CreateUser(ctx, user), s.Close())
	if errors.Is(err, survey.ErrConflict) {
		return fmt.Errorf("there is a user %s already: «odziv user password %s» sets a new password", email, email)
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "%s can sign in to /console\n", email)
	return nil
}

type userPasswordCmd struct {
	configFlags `embed:""`
	Email       string `arg:"" help:"Email address of the user."`
}

// Run sets the password.
func (c *userPasswordCmd) Run(ctx context.Context, std *streams) error {
	email, err := userEmail(c.Email)
	if err != nil {
		return err
	}
	hash, err := newPassword(ctx, std)
	if err != nil {
		return err
	}
	s, err := c.openStore(ctx, std)
	if err != nil {
		return err
	}
	user, err := s.UserByEmail(ctx, email)
	if err == nil {
		err = s.SetPassword(ctx, user.ID, hash)
	}
	err = errors.Join(err, s.Close())
	if errors.Is(err, survey.ErrNotFound) {
		return fmt.Errorf("there is no user %s: «odziv user create %s» makes one", email, email)
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "%s has a new password and is signed out everywhere\n", email)
	return nil
}

func userEmail(s string) (string, error) {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return "", fmt.Errorf("%q is not an email address: write ana@example.hr", s)
	}
	return strings.ToLower(s), nil
}

// newPassword asks twice on a terminal; elsewhere it takes the first line of the standard input. It gives the hash.
func newPassword(ctx context.Context, std *streams) (string, error) {
	password, err := readPassword(std)
	if err != nil {
		return "", err
	}
	hasher, err := auth.NewPasswords(1)
	if err != nil {
		return "", err
	}
	hash, err := hasher.Hash(ctx, password)
	if invalid, ok := errors.AsType[survey.InvalidError](err); ok {
		return "", fmt.Errorf("the password %s", invalid[0].Detail)
	}
	return hash, err
}

func readPassword(std *streams) (string, error) {
	f, ok := std.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(std.In, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "The same again: "} {
		_, _ = fmt.Fprint(std.Err, prompt)
		text, err := term.ReadPassword(int(f.Fd()))
		_, _ = fmt.Fprintln(std.Err)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ: nothing was changed")
	}
	return typed[0], nil
}
