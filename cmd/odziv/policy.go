package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml/parser"

	"github.com/odziv/odziv/survey"
)

// policyCmd is about the policy of configurations.
type policyCmd struct {
	Replay policyReplayCmd `cmd:"" help:"Tell what another policy would have made of the sends in the store. Nothing is sent or changed."`
}

type policyReplayCmd struct {
	configFlags `embed:""`
	Policy      string      `help:"File with the key «policy» to try; other keys of a configuration may stand in it and are not read. Default: the policy of the configuration." placeholder:"FILE"`
	Since       string      `help:"How far back: 90d, 12h." default:"90d"`
	Mode        survey.Mode `help:"The sends to look at." enum:"live,test" default:"live"`
	JSON        bool        `name:"json" help:"Print the report as JSON."`
}

// A history has the sends as they went.
type history interface {
	History(ctx context.Context, mode survey.Mode, since time.Time) iter.Seq2[survey.PastSend, error]
}

// Run prints the report.
func (c *policyReplayCmd) Run(ctx context.Context, std *streams) error {
	cfg, err := c.load(std.Getenv)
	if err != nil {
		return err
	}
	back, err := parseDuration(c.Since)
	if err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	policy := cfg.Policy
	if c.Policy != "" {
		if policy, err = loadPolicy(c.Policy, std.Getenv); err != nil {
			return err
		}
	}
	p, err := policy.survey(cfg.Brand.Timezone)
	if err != nil {
		return err
	}
	s, err := c.openStore(ctx, std)
	if err != nil {
		return err
	}
	report, err := replayPolicy(ctx, s, p, c.Mode, time.Now().Add(-back))
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	if c.JSON {
		out := json.NewEncoder(std.Out)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return printReport(std.Out, report)
}

// replayPolicy reads as far before since as the policy looks back.
func replayPolicy(ctx context.Context, h history, p survey.Policy, mode survey.Mode, since time.Time) (survey.PolicyReport, error) {
	report, err := survey.ReplayPolicy(p, since, h.History(ctx, mode, since.Add(-p.Longest())))
	if err != nil {
		return report, fmt.Errorf("read the history: %w", err)
	}
	return report, nil
}

// loadPolicy reads the key policy of a file. The error is a configError unless the file cannot be read.
func loadPolicy(path string, getenv func(string) string) (Policy, error) {
	p := defaultPolicy()
	text, err := readConfigFile(path)
	if err != nil {
		return p, err
	}
	r := &yamlReader{file: path, getenv: getenv}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return p, configError{syntaxFault(path, err)}
	}
	found := false
	if len(tree.Docs) > 0 && tree.Docs[0].Body != nil {
		for key, value := range r.members(tree.Docs[0].Body, "the file") {
			if key.name == "policy" {
				found = true
				r.policy(value, &p)
			}
		}
	}
	if !found && len(r.faults) == 0 {
		r.faults = append(r.faults, configFault{path, "has no key policy: write policy: and the rules below it"})
	}
	if len(r.faults) > 0 {
		return p, r.faults
	}
	return p, nil
}

// printReport writes the report for people.
func printReport(w io.Writer, r survey.PolicyReport) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells ...any) {
		for _, c := range cells {
			_, _ = fmt.Fprintf(t, "%v\t", c)
		}
		_, _ = fmt.Fprintln(t)
	}
	line("sends decided", "as it was", "with this policy", "difference")
	row := func(name string, was, is int) { line(name, was, is, fmt.Sprintf("%+d", is-was)) }
	row("sent", r.Before.Sent, r.After.Sent)
	reasons := maps.Clone(r.Before.Dropped)
	maps.Copy(reasons, r.After.Dropped)
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		row("dropped: "+string(reason), r.Before.Dropped[reason], r.After.Dropped[reason])
	}
	row("answered", r.Before.Answered, r.After.Answered)
	if err := t.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "\n%d sends lost, with %d answers\n", r.Lost, r.LostAnswers)
	_, _ = fmt.Fprintf(w, "%d sends gained, with about %.0f answers: at the rate at which their surveys were answered\n", r.Gained, r.ExpectedAnswers)
	_, _ = fmt.Fprintf(w, "%d sends later, by %s at most; %d with a shorter survey\n\n", r.Delayed, r.LongestDelay.Round(time.Minute), r.Swapped)
	line("survey", "sent", "sent then", "answered", "answers lost", "sends gained", "answers expected")
	for _, s := range r.Surveys {
		line(s.Survey, s.SentBefore, s.SentAfter, s.AnsweredBefore, s.LostAnswers, s.Gained, fmt.Sprintf("%.1f", s.ExpectedAnswers))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	other := 0
	for _, n := range r.Other {
		other += n
	}
	_, err := fmt.Fprintf(w, "\n%d sends in all; %d of them no policy decides: they were cancelled, failed, expired, wait, or the person had left\n", r.Sends, other)
	return err
}
