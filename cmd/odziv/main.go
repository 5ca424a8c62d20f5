// Command odziv is the survey distribution gateway: one binary for its API, workers, webhooks and console.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type commands struct {
	Demo    demoCmd    `cmd:"" help:"Try everything at once: embedded parts, sandbox phones, sample surveys, a key and a curl that works as pasted."`
	Serve   serveCmd   `cmd:"" help:"Run the gateway."`
	Send    sendCmd    `cmd:"" help:"Send a file of orders (CSV or NDJSON) through the API; stoppable and resumable."`
	Migrate migrateCmd `cmd:"" help:"Bring the database to this version's schema."`
	Keys    keysCmd    `cmd:"" help:"Create, list and revoke API keys."`
	User    userCmd    `cmd:"" help:"Create the people who sign in to the console."`
	Policy  policyCmd  `cmd:"" help:"Try another policy on the sends that were."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], &streams{Out: os.Stdout, Err: os.Stderr, In: os.Stdin, Getenv: os.Getenv})
	stop()
	os.Exit(code)
}

// run is the whole program. It returns the exit code: 0 is success, 2 a wrong command line, 1 anything else unless the command
// says otherwise.
func run(ctx context.Context, args []string, io *streams) (code int) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exited)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	parser, err := kong.New(new(commands),
		kong.Name("odziv"),
		kong.Description("Odziv asks customers for feedback over email, SMS and Viber, and hears their answers."),
		kong.Writers(io.Out, io.Err),
		kong.Exit(func(n int) { panic(exited(n)) }), // kong goes on after help otherwise
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io),
	)
	if err != nil {
		complain(io.Err, err)
		return 1
	}
	command, err := parser.Parse(args)
	if err != nil {
		complain(io.Err, err)
		_, _ = fmt.Fprintln(io.Err, "odziv --help tells what there is")
		return 2
	}
	err = command.Run()
	var coded interface{ ExitCode() int }
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		complain(io.Err, err)
		return coded.ExitCode()
	default:
		complain(io.Err, err)
		return 1
	}
}

// exited carries kong's wish to end out of its depths.
type exited int

func complain(w io.Writer, err error) {
	if text := err.Error(); text != "" {
		_, _ = fmt.Fprintln(w, "odziv: "+text)
	}
}
