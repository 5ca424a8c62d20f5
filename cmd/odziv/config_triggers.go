package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/webhooks"
)

// A Shop is one that may tell of its orders by /v1/triggers/{Kind}/{ID}.
type Shop struct {
	ID             string // lower case letters, digits, - and _
	Kind           string // shopify, woocommerce or stripe
	Secret         Secret
	PreviousSecret Secret      // holds beside Secret while it is changed; "" = none
	Country        string      // ISO 3166, of phone numbers and languages that an order does not tell; "" = none
	Mode           survey.Mode // live, or test: its orders reach the sandbox only
}

// surveyNames lists what can be asked.
func surveyNames() []string {
	var names []string
	for _, s := range survey.Builtin() {
		names = append(names, s.ID)
	}
	return names
}

func checkSurvey(s string) error {
	names := surveyNames()
	if slices.Contains(names, s) {
		return nil
	}
	return fmt.Errorf("there is no survey %q%s; there are %s", s, meant(s, names), strings.Join(names, ", "))
}

// trigger reads one member of triggers.
func (r *yamlReader) trigger(c *Config, key yamlKey, n ast.Node) {
	if !senderNameShape.MatchString(key.name) {
		r.fault(key.node, "the trigger name %q is part of answers: take lower case letters, digits, - and _, at most 32", key.name)
	}
	t := survey.Trigger{ID: key.name, Sample: 1}
	before := len(r.faults)
	r.fields(n, "trigger "+key.name, r.triggerFields(&t))
	if len(r.faults) == before { // else what is missing would be told twice
		if len(t.Types) == 0 {
			r.fault(key.node, "trigger %s: on is missing: the types of events, such as [order.delivered, \"shopify.*\"]", key.name)
		}
		if t.Survey == "" {
			r.fault(key.node, "trigger %s: survey is missing: one of %s", key.name, strings.Join(surveyNames(), ", "))
		}
	}
	c.Triggers = append(c.Triggers, t)
}

func (r *yamlReader) triggerFields(t *survey.Trigger) map[string]func(ast.Node) {
	return map[string]func(ast.Node){
		"on": r.list("on", func(s string) error {
			if at := strings.IndexByte(s, '*'); at >= 0 && at != len(s)-1 {
				return fmt.Errorf("%q has its * inside: it stands at the end, as in order.*", s)
			}
			t.Types = append(t.Types, s)
			return nil
		}),
		"where":      func(n ast.Node) { t.Where = r.where(n) },
		"touchpoint": r.value("touchpoint", keep(&t.Touchpoint)),
		"survey":     r.value("survey", keep(&t.Survey, checkSurvey)),
		"channels": r.list("channels", func(s string) error {
			ch := survey.Channel(s)
			if slices.Contains(t.Channels, ch) {
				return fmt.Errorf("%s is there twice: each channel is tried once", s)
			}
			t.Channels = append(t.Channels, ch)
			return checkChannel(s)
		}),
		"delay":   r.duration("delay", 0, &t.Delay),
		"expires": r.duration("expires", 1, &t.Expires),
		"sample": r.value("sample", func(s string) error {
			share, err := strconv.ParseFloat(s, 64)
			if err != nil || !(share >= 0 && share <= 1) {
				return fmt.Errorf("%q is no share: write a number from 0 (nobody) to 1 (everybody), such as 0.5", s)
			}
			t.Sample = share
			return nil
		}),
		"daily_cap": func(n ast.Node) { r.dailyCap(t, n) },
		"mode":      r.value("mode", keep(&t.Mode, checkMode)),
	}
}

// dailyCap reads a count, or a count and the attribute it is per.
func (r *yamlReader) dailyCap(t *survey.Trigger, n ast.Node) {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		before := len(r.faults)
		r.fields(n, "daily_cap", map[string]func(ast.Node){
			"count": r.value("count", parseCount(&t.Cap.N)),
			"per":   r.value("per", keep(&t.Cap.Per)),
		})
		if t.Cap.N == 0 && len(r.faults) == before {
			r.fault(n, "daily_cap: count is missing: how many a day")
		}
	default:
		r.value("daily_cap", parseCount(&t.Cap.N))(n)
	}
}

// where reads the conditions: an attribute, and what it has to be.
func (r *yamlReader) where(n ast.Node) []survey.Condition {
	var all []survey.Condition
	for key, value := range r.members(n, "where") {
		seq, many := value.(*ast.SequenceNode)
		if !many {
			if text, ok := r.text(value); ok {
				all = append(all, r.condition(value, key.name, text))
			}
			continue
		}
		var plain []string
		for _, v := range seq.Values {
			text, ok := r.text(v)
			if !ok {
				continue
			}
			if c := r.condition(v, key.name, text); c.Op != survey.OpEq {
				all = append(all, c)
			} else {
				plain = append(plain, c.Values...)
			}
		}
		if len(plain) > 0 {
			all = append(all, survey.Condition{Attribute: key.name, Op: survey.OpIn, Values: plain})
		}
	}
	return all
}

var operatorShape = regexp.MustCompile(`^(>=|<=|!=|=|>|<|contains\b)\s*(.*)$`)

// condition reads one test: «>= 20», «!= HR», «contains urgent», «exists», or a bare value, which is equality.
func (r *yamlReader) condition(n ast.Node, attribute, text string) survey.Condition {
	c := survey.Condition{Attribute: attribute, Op: survey.OpEq, Values: []string{text}}
	text = strings.TrimSpace(text)
	if text == "exists" {
		return survey.Condition{Attribute: attribute, Op: survey.OpExists}
	}
	m := operatorShape.FindStringSubmatch(text)
	if m == nil {
		return c
	}
	c.Values[0] = m[2]
	switch m[1] {
	case "!=":
		c.Op = survey.OpNe
	case "contains":
		c.Op = survey.OpContains
	case ">":
		c.Op = survey.OpGt
	case ">=":
		c.Op = survey.OpGte
	case "<":
		c.Op = survey.OpLt
	case "<=":
		c.Op = survey.OpLte
	}
	if m[2] == "" {
		r.fault(n, "where.%s: %q names no value: write one after it", attribute, text)
	} else if strings.ContainsAny(m[1], "<>") && !survey.IsDecimal(m[2]) {
		r.fault(n, "where.%s: %q is compared with a number: write digits and a point, as in >= 20.50", attribute, text)
	}
	return c
}

// shop reads one member of shops.
func (r *yamlReader) shop(c *Config, key yamlKey, n ast.Node) {
	if !senderNameShape.MatchString(key.name) {
		r.fault(key.node, "the shop name %q is part of addresses: take lower case letters, digits, - and _, at most 32", key.name)
	}
	s := Shop{ID: key.name, Mode: survey.Live}
	before := len(r.faults)
	r.fields(n, "shop "+key.name, map[string]func(ast.Node){
		"kind":            r.value("kind", keep(&s.Kind, checkShopKind)),
		"secret":          r.value("secret", keep(&s.Secret)),
		"previous_secret": r.value("previous_secret", keep(&s.PreviousSecret)),
		"country": r.value("country", keep(&s.Country, func(v string) error {
			if len(v) != 2 || strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
				return fmt.Errorf("%q is no country: write two capital letters, such as HR", v)
			}
			return nil
		})),
		"mode": r.value("mode", keep(&s.Mode, checkMode)),
	})
	if len(r.faults) == before {
		if s.Kind == "" {
			r.fault(key.node, "shop %s: kind is missing: shopify, woocommerce or stripe", key.name)
		}
		if s.Secret == "" {
			r.fault(key.node, "shop %s: secret is missing: without it no webhook can be told from a forged one", key.name)
		}
	}
	c.Shops = append(c.Shops, s)
}

func checkShopKind(s string) error {
	kinds := []string{webhooks.Shopify, webhooks.WooCommerce, webhooks.Stripe}
	if !slices.Contains(kinds, s) {
		return fmt.Errorf("%q is no kind of shop%s; the kinds are %s", s, meant(s, kinds), strings.Join(kinds, ", "))
	}
	return nil
}

func checkMode(s string) error {
	if m := survey.Mode(s); m != survey.Live && m != survey.Test {
		return fmt.Errorf("%q is no mode: write live, or test to reach the sandbox only", s)
	}
	return nil
}
