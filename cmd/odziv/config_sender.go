package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/odziv/odziv/survey"
)

// The drivers.
const (
	driverSMTP     = "smtp"
	driverTwilio   = "twilio"
	driverViberBot = "viber-bot"
	driverSandbox  = "sandbox"
	driverInfobip  = "infobip"
)

// A driver says which channels it serves and which keys its senders take.
type driver struct {
	channels []survey.Channel
	required []string
	optional []string
}

func drivers() map[string]driver {
	return map[string]driver{
		driverSMTP: {
			channels: []survey.Channel{survey.Email},
			required: []string{"url", "from"},
			optional: []string{"reply_to", "dkim"},
		},
		driverTwilio: {
			channels: []survey.Channel{survey.SMS},
			required: []string{"account_sid", "auth_token", "from"},
			optional: []string{"base_url"},
		},
		driverViberBot: {
			channels: []survey.Channel{survey.Viber},
			required: []string{"auth_token", "name"},
			optional: []string{"base_url"},
		},
		driverSandbox: {channels: survey.SendChannels()},
	}
}

// defaultConcurrency is of senders that name none.
const defaultConcurrency = 20

// A sender's name is part of webhook addresses and names its lane.
var senderNameShape = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// sender reads one member of senders.
func (r *yamlReader) sender(c *Config, key yamlKey, n ast.Node) {
	if !senderNameShape.MatchString(key.name) {
		r.fault(key.node, "the sender name %q is part of addresses: take lower case letters, digits, - and _, at most 32", key.name)
	}
	s := Sender{Name: key.name, Concurrency: defaultConcurrency}
	given := map[string]ast.Node{}
	known := r.senderFields(&s)
	for name, read := range known {
		known[name] = func(n ast.Node) {
			if !emptyNode(n) {
				given[name] = n
			}
			read(n)
		}
	}
	before := len(r.faults)
	r.fields(n, "sender "+key.name, known)
	if len(r.faults) == before { // else what is missing would be told twice
		r.checkSender(key, s, given)
	}
	c.Senders = append(c.Senders, s)
}

func (r *yamlReader) senderFields(s *Sender) map[string]func(ast.Node) {
	return map[string]func(ast.Node){
		"channel":     r.value("channel", keep(&s.Channel, checkChannel)),
		"driver":      r.value("driver", keep(&s.Driver, checkDriver)),
		"url":         r.value("url", keep(&s.URL, checkSMTPURL)),
		"from":        r.value("from", keep(&s.From)),
		"reply_to":    r.value("reply_to", keep(&s.ReplyTo, checkMailbox)),
		"base_url":    r.value("base_url", func(v string) (err error) { s.BaseURL, err = parseBaseURL(v); return err }),
		"account_sid": r.value("account_sid", keep(&s.AccountSID, checkAccountSID)),
		"auth_token":  r.value("auth_token", keep(&s.AuthToken)),
		"api_key":     r.value("api_key", keep(&s.APIKey)),
		"name":        r.value("name", keep(&s.SenderName)),
		"concurrency": r.value("concurrency", parseCount(&s.Concurrency)),
		"rate": r.list("rate", func(v string) error {
			rate, err := parseRate(v)
			if err == nil {
				s.Rate = append(s.Rate, rate)
			}
			return err
		}),
		"retry": func(n ast.Node) {
			r.fields(n, "retry", map[string]func(ast.Node){
				"attempts": r.value("attempts", parseCount(&s.Retry.Tries)),
				"max_age":  r.duration("max_age", time.Minute, &s.Retry.Age),
			})
		},
		"price": func(n ast.Node) { r.price(n, &s.Price) },
		"dkim": func(n ast.Node) {
			r.fields(n, "dkim", map[string]func(ast.Node){
				"domain":   r.value("domain", keep(&s.DKIM.Domain)),
				"selector": r.value("selector", keep(&s.DKIM.Selector)),
				"key_file": r.value("key_file", keep(&s.DKIM.KeyFile)),
			})
			if k := s.DKIM; k != (DKIM{}) && (k.Domain == "" || k.Selector == "" || k.KeyFile == "") {
				r.fault(n, "dkim signs with domain, selector and key_file: set all three, or none")
			}
		},
	}
}

// price reads what a message costs: a currency, an amount for everywhere, and amounts by the beginning of the number.
func (r *yamlReader) price(n ast.Node, to *survey.Tariff) {
	currency, unit, prefixes := "", "", map[string]string{}
	for key, value := range r.members(n, "price") {
		amount, ok := r.text(value)
		switch {
		case !ok:
		case key.name == "currency":
			currency = amount
		case key.name == "default":
			unit = amount
		case strings.HasPrefix(key.name, "+"):
			prefixes[key.name] = amount
		default:
			r.fault(key.node, "unknown key %q in price; the keys here are currency, default, and beginnings of numbers such as \"+385\"", key.name)
			return
		}
	}
	t, err := survey.NewTariff(currency, unit, prefixes)
	if err != nil {
		r.fault(n, "price: %s", err)
	}
	*to = t
}

// checkSender holds a sender against what its driver takes.
func (r *yamlReader) checkSender(key yamlKey, s Sender, given map[string]ast.Node) {
	if s.Channel == "" || s.Driver == "" {
		r.fault(key.node, "sender %s needs both channel and driver, such as channel: email, driver: smtp", key.name)
		return
	}
	d := drivers()[s.Driver]
	if !slices.Contains(d.channels, s.Channel) {
		r.fault(given["channel"], "driver %s does not send over %s: it is for %s", s.Driver, s.Channel, d.channels[0])
	}
	for _, name := range d.required {
		if given[name] == nil {
			r.fault(key.node, "sender %s needs %s (driver %s)", key.name, name, s.Driver)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		always := []string{"channel", "driver", "rate", "concurrency", "retry", "price"}
		if !slices.Contains(slices.Concat(always, d.required, d.optional), name) {
			r.fault(given[name], "%s is not for driver %s: take it out", name, s.Driver)
		}
	}
	if s.Channel != survey.SMS && slices.ContainsFunc(s.Rate, func(r Rate) bool { return r.Segments }) {
		r.fault(given["rate"], "segments are of SMS: write the rate of %s in messages, such as 10/s", s.Channel)
	}
	if s.Driver == driverSMTP && s.From != "" {
		if err := checkMailbox(s.From); err != nil {
			r.fault(given["from"], "from: %s", err)
		}
	}
}

// emptyNode reports whether a value is written as "", null, {} or [], which counts as not given.
func emptyNode(n ast.Node) bool {
	switch n := n.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return true
	case *ast.StringNode:
		return n.Value == ""
	case *ast.SequenceNode:
		return len(n.Values) == 0
	case *ast.MappingNode:
		for _, m := range n.Values {
			if !emptyNode(m.Value) {
				return false
			}
		}
		return true
	case *ast.MappingValueNode:
		return emptyNode(n.Value)
	default:
		return false
	}
}

func checkChannel(s string) error {
	var names []string
	for _, c := range survey.SendChannels() {
		names = append(names, string(c))
	}
	if !slices.Contains(names, s) {
		return fmt.Errorf("unknown channel %q%s; the channels are %s", s, meant(s, names), strings.Join(names, ", "))
	}
	return nil
}

func checkDriver(s string) error {
	if s == driverInfobip {
		return errors.New("driver infobip is not built yet: take viber-bot, twilio, smtp or sandbox")
	}
	names := slices.Sorted(maps.Keys(drivers()))
	if !slices.Contains(names, s) {
		return fmt.Errorf("unknown driver %q%s; the drivers are %s", s, meant(s, names), strings.Join(names, ", "))
	}
	return nil
}

func checkAccountSID(s string) error {
	if !strings.HasPrefix(s, "AC") {
		return fmt.Errorf("%q is not an account SID: it begins with AC", s)
	}
	return nil
}
