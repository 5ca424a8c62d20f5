package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/api"
)

// A Policy is what holds sends back.
type Policy struct {
	Window       Window                  // of each day that Days does not name; the zero value is no window
	Days         map[time.Weekday]Window // hours of single weekdays; the zero Window is closed
	OpenHolidays bool                    // public holidays are days like others
	Fatigue      survey.Fatigue
	Rules        []survey.FatigueRule
	Swap         map[string]string // by survey: the shorter one
	Consent      survey.ConsentPolicy
	Reach        map[survey.Channel]time.Duration
	Viber        survey.SessionPolicy
	Reminders    survey.Reminders
	Enforce      bool // the rules hold test sends back too, instead of only being recorded
}

// A Window is a time of day in which people may be written to, as time since midnight.
type Window struct{ From, To time.Duration }

func defaultPolicy() Policy {
	return Policy{
		Window: Window{From: 9 * time.Hour, To: 20 * time.Hour},
		Fatigue: survey.Fatigue{
			AfterInvite: survey.Cooldown{Any: 90 * day, Same: 180 * day}, Blocked: survey.BlockedDrop,
		},
		Reach:     map[survey.Channel]time.Duration{survey.Viber: 30 * day, survey.SMS: 30 * day, survey.Email: survey.Forever},
		Viber:     survey.SessionPolicy{Unanswered: 5, Total: 60, Window: 24 * time.Hour},
		Reminders: survey.Reminders{Count: 1, After: 3 * day},
	}
}

// survey is the policy as the decision takes it; zone is the brand's.
func (p Policy) survey(zone string) (survey.Policy, error) {
	at, err := time.LoadLocation(zone)
	if err != nil {
		return survey.Policy{}, fmt.Errorf("brand.timezone: %w", err)
	}
	atlas, err := survey.LoadAtlas()
	if err != nil {
		return survey.Policy{}, fmt.Errorf("load zones and holidays: %w", err)
	}
	out := survey.Policy{
		Window: p.Window.minutes(), OpenHolidays: p.OpenHolidays, Zone: at, Atlas: atlas,
		Fatigue: p.Fatigue, Rules: p.Rules, Swap: p.Swap, Consent: p.Consent, Reach: p.Reach, Viber: p.Viber, TestToo: p.Enforce,
	}
	if len(p.Days) > 0 {
		out.Days = make(map[time.Weekday]survey.Window, len(p.Days))
		for d, w := range p.Days {
			out.Days[d] = w.minutes()
		}
	}
	return out, nil
}

func (w Window) minutes() survey.Window {
	return survey.Window{From: int(w.From.Minutes()), To: int(w.To.Minutes())}
}

func (r *yamlReader) policy(n ast.Node, p *Policy) {
	known := r.fatigue(&p.Fatigue)
	detailed := known["cooldowns"]
	both := 0
	known["cooldowns"] = func(n ast.Node) { both++; detailed(n) }
	known["window"] = func(n ast.Node) { r.window(n, p) }
	known["holidays"] = r.choice("holidays", func(s string) { p.OpenHolidays = s == "ignore" }, "observe", "ignore")
	known["cooldown"] = func(n ast.Node) { // the one number stands for all four
		both++
		var d time.Duration
		r.rest("cooldown", &d)(n)
		p.Fatigue.AfterInvite, p.Fatigue.AfterResponse = survey.Cooldown{Any: d}, survey.Cooldown{}
	}
	known["swap"] = func(n ast.Node) { p.Swap = r.swap(n) }
	known["rules"] = func(n ast.Node) {
		p.Rules = nil
		r.each(n, "rules", func(n ast.Node) { p.Rules = append(p.Rules, r.fatigueRule(n)) })
	}
	known["consent"] = func(n ast.Node) { r.fields(n, "consent", r.consent(&p.Consent)) }
	known["reach"] = func(n ast.Node) { r.reach(n, p) }
	known["viber"] = func(n ast.Node) { r.fields(n, "viber", r.viber(&p.Viber)) }
	known["reminders"] = func(n ast.Node) { r.reminders(n, &p.Reminders) }
	known["test"] = r.value("test", func(s string) error {
		if s != "enforce" && s != "record" {
			return fmt.Errorf("%q is unknown: write record (the rules hold no test send back) or enforce", s)
		}
		p.Enforce = s == "enforce"
		return nil
	})
	faults := len(r.faults)
	r.fields(n, "policy", known)
	swaps := p.Fatigue.Blocked == survey.BlockedSwap ||
		slices.ContainsFunc(p.Rules, func(rule survey.FatigueRule) bool { return rule.Blocked == survey.BlockedSwap })
	if swaps && len(p.Swap) == 0 && len(r.faults) == faults {
		r.fault(n, "blocked: swap needs swap: write swap: {long-survey: short-survey}")
	}
	if both > 1 {
		r.fault(n, "cooldown is short for cooldowns.invite.any: write one of cooldown and cooldowns")
	}
}

// fatigue reads cooldowns, limits and blocked.
func (r *yamlReader) fatigue(f *survey.Fatigue) map[string]func(ast.Node) {
	cooldown := func(what string, c *survey.Cooldown) func(ast.Node) {
		return func(n ast.Node) {
			r.fields(n, what, map[string]func(ast.Node){"any": r.rest("any", &c.Any), "same": r.rest("same", &c.Same)})
		}
	}
	return map[string]func(ast.Node){
		"cooldowns": func(n ast.Node) {
			r.fields(n, "cooldowns", map[string]func(ast.Node){
				"invite": cooldown("cooldowns.invite", &f.AfterInvite), "response": cooldown("cooldowns.response", &f.AfterResponse),
			})
		},
		"limits": func(n ast.Node) {
			f.Caps = nil
			r.each(n, "limits", func(n ast.Node) { f.Caps = append(f.Caps, r.limit(n)) })
		},
		"blocked": r.choice("blocked", func(s string) { f.Blocked = survey.Blocked(s) },
			string(survey.BlockedDrop), string(survey.BlockedDelay), string(survey.BlockedSwap)),
	}
}

func (r *yamlReader) limit(n ast.Node) (c survey.Cap) {
	r.fields(n, "a limit", map[string]func(ast.Node){
		"count":       r.value("count", parseCount(&c.N)),
		"per":         r.duration("per", time.Minute, &c.Per),
		"touchpoints": r.words("touchpoints", &c.Touchpoints, nil),
		"where":       func(n ast.Node) { c.Where = r.pairs(n, "where") },
	})
	if c.N == 0 || c.Per == 0 {
		r.fault(n, "a limit needs count and per: write {count: 2, per: 30d}")
	}
	return c
}

func (r *yamlReader) fatigueRule(n ast.Node) (rule survey.FatigueRule) {
	var f survey.Fatigue
	known := r.fatigue(&f)
	known["surveys"] = r.words("surveys", &rule.Surveys, checkSurvey)
	known["touchpoints"] = r.words("touchpoints", &rule.Touchpoints, nil)
	known["types"] = r.words("types", &rule.Types, nil)
	known["where"] = func(n ast.Node) { rule.Where = r.pairs(n, "where") }
	known["exempt"] = r.boolean("exempt", &rule.Exempt)
	own := false
	for _, key := range []string{"cooldowns", "limits"} {
		read := known[key]
		known[key] = func(n ast.Node) { own = true; read(n) }
	}
	r.fields(n, "a rule", known)
	rule.Blocked = f.Blocked
	if own {
		f.Blocked = ""
		rule.Fatigue = &f
	}
	switch {
	case rule.Exempt && (own || rule.Blocked != ""):
		r.fault(n, "a rule that is exempt needs no cooldowns, limits or blocked: take them out")
	case !rule.Exempt && !own && rule.Blocked == "":
		r.fault(n, "a rule says what holds: write exempt: true, or cooldowns, limits or blocked")
	case len(rule.Surveys)+len(rule.Touchpoints)+len(rule.Types)+len(rule.Where) == 0:
		r.fault(n, "a rule says for which sends it is: write surveys, touchpoints, types or where")
	}
	return rule
}

func (r *yamlReader) consent(p *survey.ConsentPolicy) map[string]func(ast.Node) {
	return map[string]func(ast.Node){
		"required": r.boolean("required", &p.Required),
		"bases":    r.words("bases", &p.Bases, nil),
		"max_age":  r.rest("max_age", &p.MaxAge),
	}
}

func (r *yamlReader) viber(p *survey.SessionPolicy) map[string]func(ast.Node) {
	return map[string]func(ast.Node){
		"unanswered":   r.count("unanswered", &p.Unanswered),
		"total":        r.count("total", &p.Total),
		"window":       r.duration("window", time.Hour, &p.Window),
		"session_only": r.boolean("session_only", &p.SessionOnly),
	}
}

// reminders reads none, or a mapping.
func (r *yamlReader) reminders(n ast.Node, p *survey.Reminders) {
	if scalar(n) {
		r.choice("reminders", func(string) { *p = survey.Reminders{} }, none)(n)
		return
	}
	r.fields(n, "reminders", map[string]func(ast.Node){
		"count": r.value("count", func(s string) error {
			n, err := strconv.Atoi(s)
			if s == none {
				n, err = 0, nil
			}
			if err != nil || n < 0 || n > api.MaxReminders {
				return fmt.Errorf("%q is not a number from 0 to %d: nobody is asked again more often than a send may say", s, api.MaxReminders)
			}
			p.Count = n
			return nil
		}),
		"after": r.duration("after", time.Hour, &p.After),
		"channel": r.value("channel", func(s string) error {
			p.Channel = survey.Channel(s)
			return checkChannel(s)
		}),
	})
}

// reach reads one time for viber and sms, none, or a mapping by channel.
func (r *yamlReader) reach(n ast.Node, p *Policy) {
	if scalar(n) {
		var d time.Duration
		r.rest("reach", &d)(n)
		p.Reach = nil
		if d > 0 {
			p.Reach = map[survey.Channel]time.Duration{survey.Viber: d, survey.SMS: d, survey.Email: survey.Forever}
		}
		return
	}
	for key, value := range r.members(n, "reach") {
		if err := checkChannel(key.name); err != nil {
			r.fault(key.node, "reach: %s", err)
			continue
		}
		var d time.Duration
		r.value(key.name, func(s string) (err error) {
			d, err = parseRest(s, "forever")
			return err
		})(value)
		reach := make(map[survey.Channel]time.Duration, len(p.Reach)+1)
		maps.Copy(reach, p.Reach)
		reach[survey.Channel(key.name)] = d
		if d == 0 {
			delete(reach, survey.Channel(key.name))
		}
		p.Reach = reach
	}
}

// window reads one window for every day, or a mapping of days to windows that names each day.
func (r *yamlReader) window(n ast.Node, p *Policy) {
	if scalar(n) {
		r.value("window", func(s string) (err error) {
			p.Window, err = parseWindow(s)
			p.Days = nil
			return err
		})(n)
		return
	}
	days := map[time.Weekday]Window{}
	open, faults := false, len(r.faults)
	for key, value := range r.members(n, "window") {
		named, ok := survey.Weekdays(key.name)
		if !ok {
			r.fault(key.node, "%q is no day: write mon, tue, wed, thu, fri, sat, sun, or a range such as mon-fri", key.name)
			continue
		}
		r.value(key.name, func(s string) error {
			w, err := parseWindow(s)
			for _, d := range named {
				if _, twice := days[d]; twice && err == nil {
					err = fmt.Errorf("%s is there twice: name each day once", d)
				}
				days[d] = w
			}
			open = open || w != Window{}
			return err
		})(value)
	}
	var missing []string
	for _, d := range []time.Weekday{1, 2, 3, 4, 5, 6, 0} {
		if _, ok := days[d]; !ok {
			missing = append(missing, strings.ToLower(d.String()[:3]))
		}
	}
	switch {
	case len(r.faults) > faults:
	case len(missing) > 0:
		r.fault(n, "window says nothing about %s: name every day, with none for a closed one", strings.Join(missing, ", "))
	case !open:
		r.fault(n, "window is closed on every day: write window: none when there is to be no window")
	default:
		p.Window, p.Days = Window{}, days
	}
}

// scalar reports whether a node is a single value.
func scalar(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode:
		return false
	default:
		return true
	}
}

// parseRest reads a duration, none, or the word for no end; "" has none.
func parseRest(s, endless string) (time.Duration, error) {
	switch {
	case s == none:
		return 0, nil
	case s == endless && endless != "":
		return survey.Forever, nil
	default:
		return parseDuration(s)
	}
}

// rest reads a duration or none.
func (r *yamlReader) rest(key string, to *time.Duration) func(ast.Node) {
	return r.value(key, func(s string) (err error) {
		*to, err = parseRest(s, "")
		return err
	})
}

// count reads a number, or none for 0.
func (r *yamlReader) count(key string, to *int) func(ast.Node) {
	return r.value(key, func(s string) error {
		if s == none || s == "0" {
			*to = 0
			return nil
		}
		return parseCount(to)(s)
	})
}

func (r *yamlReader) boolean(key string, to *bool) func(ast.Node) {
	return r.value(key, func(s string) error {
		v, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("%q is not true or false", s)
		}
		*to = v
		return nil
	})
}

// choice reads one of a few words.
func (r *yamlReader) choice(key string, set func(string), words ...string) func(ast.Node) {
	return r.value(key, func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("%q is unknown%s; write %s", s, meant(s, words), strings.Join(words, " or "))
		}
		set(s)
		return nil
	})
}

// words reads a list of names that pass the check; nil lets all pass.
func (r *yamlReader) words(key string, to *[]string, check func(string) error) func(ast.Node) {
	read := r.list(key, func(s string) error {
		*to = append(*to, s)
		if check == nil {
			return nil
		}
		return check(s)
	})
	return func(n ast.Node) {
		*to = nil
		read(n)
	}
}

// each calls fn for every item of a sequence.
func (r *yamlReader) each(n ast.Node, key string, fn func(ast.Node)) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		for _, v := range n.Values {
			fn(v)
		}
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	default:
		r.fault(n, "%s is a list: write each item after a dash", key)
	}
}

// swap reads which shorter survey stands for which.
func (r *yamlReader) swap(n ast.Node) map[string]string {
	out := map[string]string{}
	for from, value := range r.members(n, "swap") {
		if err := checkSurvey(from.name); err != nil {
			r.fault(from.node, "swap: %s", err)
		}
		r.value("swap", func(to string) error {
			if out[from.name] = to; to == from.name {
				return fmt.Errorf("%s cannot stand for itself: name a shorter survey", to)
			}
			return checkSurvey(to)
		})(value)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// pairs reads a mapping of names to values.
func (r *yamlReader) pairs(n ast.Node, key string) map[string]string {
	out := map[string]string{}
	for name, value := range r.members(n, key) {
		r.value(name.name, func(s string) error {
			out[name.name] = s
			return nil
		})(value)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
