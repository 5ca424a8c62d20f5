// Package templates turns what marketers wrote into what customers get: locale packs, Liquid in a sandbox, lint,
// the standard email, SMS sizes, and the signed links in messages.
package templates

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"golang.org/x/text/language"

	"github.com/odziv/odziv/survey"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// A Fold is what is done to the words of an SMS to make it cheaper. One letter outside of GSM-7 makes a whole
// message UCS-2: 70 characters to the segment and not 160.
type Fold string

// The folds. FoldNone is also the meaning of "".
const (
	FoldNone       Fold = "none"
	FoldStrip      Fold = "strip"       // letters without diacritics (đ is d), typographic signs as typed ones
	FoldStripDj    Fold = "strip-dj"    // the same, but đ is dj
	FoldLatin      Fold = "latin"       // Serbian Cyrillic as Latin
	FoldLatinStrip Fold = "latin-strip" // Serbian Cyrillic as Latin without diacritics, đ is dj
)

// A Pack is everything in one language that comes with the program. It is read-only after LoadPacks.
type Pack struct {
	Locale  string // BCP 47
	Name    string // in its own language
	Dir     string // "ltr" or "rtl"
	RTL     bool
	Digits  string // the ten digits, from zero
	SMSFold Fold
	Page    map[string]string        // words of the customer's pages; every key of PageKeys
	Surveys map[string][]survey.Text // by survey id
}

// pageKeys are the words of the customer's pages, each with the placeholders that it may have.
var pageKeys = map[string][]string{ //nolint:gochecknoglobals // a table
	"send": nil, "send_score": {"score"}, "not_sent_yet": nil, "choose_score": nil, "choose_first": nil,
	"comment_label": nil, "comment_hint": nil, "send_comment": nil, "finish_without": nil, "thanks_title": nil,
	"saved": nil, "change_until": {"date"}, "expired_title": nil, "expired_text": {"brand", "date"},
	"answered_title": nil, "answered_text": nil, "answered_score": {"score"}, "change_score": nil,
	"unsubscribe": nil, "unsubscribe_title": nil, "unsubscribe_text": {"brand"}, "unsubscribe_confirm": nil,
	"unsubscribe_all": nil, "unsubscribed_title": nil, "unsubscribed_text": nil, "back_to_survey": nil,
	"unknown_title": nil, "unknown_text": nil, "problem_title": nil, "problem_text": nil,
	"why_you_get_this": {"brand", "date"}, "language": nil, "preview": nil, "score_of": {"score", "max"}, "skip": nil,
}

// PageKeys lists the keys of Pack.Page, sorted.
func PageKeys() []string { return slices.Sorted(maps.Keys(pageKeys)) }

// Word is a word of the pages with its placeholders filled: Word("send_score", "score", "9"). An unknown key, which
// LoadPacks makes impossible for PageKeys, gives the key itself.
func (p *Pack) Word(key string, kv ...string) string {
	word, ok := p.Page[key]
	if !ok {
		return key
	}
	for i := 0; i+1 < len(kv); i += 2 {
		word = strings.ReplaceAll(word, "{"+kv[i]+"}", kv[i+1])
	}
	return word
}

// Number writes the ASCII digits of s in the digits of the pack.
func (p *Pack) Number(s string) string { return localDigits(s, p.Digits) }

func localDigits(s, digits string) string {
	if digits == "" || digits == asciiDigits || !strings.ContainsAny(s, asciiDigits) {
		return s
	}
	local := []rune(digits)
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return local[r-'0']
		}
		return r
	}, s)
}

const asciiDigits = "0123456789"

// packFile is the form of builtin/<locale>.yaml.
type packFile struct {
	Locale  string                `yaml:"locale"`
	Name    string                `yaml:"name"`
	Dir     string                `yaml:"dir"`
	Digits  string                `yaml:"digits"`
	SMSFold Fold                  `yaml:"sms_fold"`
	Page    map[string]string     `yaml:"page"`
	Surveys map[string][]textFile `yaml:"surveys"`
}

type textFile struct {
	Kind    survey.Kind    `yaml:"kind"`
	Channel survey.Channel `yaml:"channel"`
	Subject string         `yaml:"subject"`
	Text    string         `yaml:"text"`
}

// LoadPacks reads the packs that come with the program, by locale. A pack that lacks a word, or has one too many,
// is an error that names every fault.
func LoadPacks() (map[string]*Pack, error) { return loadPacks(builtin, survey.Builtin()) }

func loadPacks(files fs.FS, surveys []survey.Survey) (map[string]*Pack, error) {
	names, err := fs.Glob(files, "builtin/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list locale packs: %w", err)
	}
	packs := make(map[string]*Pack, len(names))
	var faults []error
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read locale pack: %w", err)
		}
		p, err := readPack(raw, surveys)
		if err != nil {
			faults = append(faults, fmt.Errorf("locale pack %s: %w", name, err))
			continue
		}
		if name != "builtin/"+p.Locale+".yaml" {
			faults = append(faults, fmt.Errorf("locale pack %s: locale is %q", name, p.Locale))
		}
		packs[p.Locale] = p
	}
	for _, locale := range Locales() {
		if packs[locale] == nil {
			faults = append(faults, fmt.Errorf("locale pack builtin/%s.yaml is missing or broken", locale))
		}
	}
	return packs, errors.Join(faults...)
}

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

func readPack(raw []byte, surveys []survey.Survey) (*Pack, error) {
	var f packFile
	if err := yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict()).Decode(&f); err != nil {
		return nil, err
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if f.Name == "" {
		fault("name is missing")
	}
	if f.Dir != "ltr" && f.Dir != "rtl" {
		fault("dir is %q, want ltr or rtl", f.Dir)
	}
	if n := len([]rune(f.Digits)); n != 10 {
		fault("digits has %d characters, want 10", n)
	}
	switch f.SMSFold {
	case "":
		f.SMSFold = FoldNone
	case FoldNone, FoldStrip, FoldStripDj, FoldLatin, FoldLatinStrip:
	default:
		fault("sms_fold is %q, want none, strip, strip-dj, latin or latin-strip", f.SMSFold)
	}
	for _, key := range PageKeys() {
		word := f.Page[key]
		if strings.TrimSpace(word) == "" {
			fault("page.%s is missing", key)
		}
		for _, m := range placeholder.FindAllStringSubmatch(word, -1) {
			if !slices.Contains(pageKeys[key], m[1]) {
				fault("page.%s: unknown placeholder {%s}", key, m[1])
			}
		}
	}
	for key := range f.Page {
		if _, ok := pageKeys[key]; !ok {
			fault("page.%s is not a word of any page", key)
		}
	}
	p := &Pack{
		Locale: f.Locale, Name: f.Name, Dir: f.Dir, RTL: f.Dir == "rtl", Digits: f.Digits, SMSFold: f.SMSFold,
		Page: f.Page, Surveys: make(map[string][]survey.Text, len(f.Surveys)),
	}
	for _, sv := range surveys {
		texts, ok := f.Surveys[sv.ID]
		if !ok {
			fault("surveys.%s is missing", sv.ID)
			continue
		}
		delete(f.Surveys, sv.ID)
		for _, t := range texts {
			p.Surveys[sv.ID] = append(p.Surveys[sv.ID], survey.Text{
				Kind: t.Kind, Channel: t.Channel, Locale: f.Locale, Subject: t.Subject, Text: t.Text,
			})
		}
		faults = append(faults, slotFaults(sv.ID, p.Surveys[sv.ID])...)
	}
	for id := range f.Surveys {
		fault("surveys.%s is no survey of the program", id)
	}
	return p, errors.Join(faults...)
}

// slotFaults names the empty, unknown and doubled places of the texts of one locale.
func slotFaults(id string, texts []survey.Text) []error {
	var faults []error
	left := make(map[Slot]bool)
	for _, s := range Slots() {
		left[s] = true
	}
	for _, t := range texts {
		s := Slot{t.Kind, t.Channel}
		if free, known := left[s]; !known || !free {
			faults = append(faults, fmt.Errorf("surveys.%s: %s for %s is unknown or doubled", id, t.Kind, t.Channel))
		}
		left[s] = false
		if strings.TrimSpace(t.Text) == "" || (t.Channel == survey.Email && strings.TrimSpace(t.Subject) == "") {
			faults = append(faults, fmt.Errorf("surveys.%s: %s for %s is empty", id, t.Kind, t.Channel))
		}
	}
	for _, s := range Slots() {
		if left[s] {
			faults = append(faults, fmt.Errorf("surveys.%s: %s for %s is missing", id, s.Kind, s.Channel))
		}
	}
	return faults
}

// A Slot is a place of a release that every locale fills.
type Slot struct {
	Kind    survey.Kind
	Channel survey.Channel
}

// Slots lists the places of a release in the order in which a customer meets them.
func Slots() []Slot {
	return []Slot{
		{survey.Invitation, survey.Email},
		{survey.Invitation, survey.SMS},
		{survey.Invitation, survey.Viber},
		{survey.Reminder, survey.Email},
		{survey.Reminder, survey.SMS},
		{survey.Reminder, survey.Viber},
		{survey.FollowupPromoter, survey.Chat},
		{survey.FollowupPassive, survey.Chat},
		{survey.FollowupDetractor, survey.Chat},
		{survey.ThanksPromoter, survey.Chat},
		{survey.ThanksPassive, survey.Chat},
		{survey.ThanksDetractor, survey.Chat},
		{survey.Clarify, survey.Chat},
		{survey.OptOut, survey.Chat},
		{survey.Question, survey.Web},
		{survey.ScaleLow, survey.Web},
		{survey.ScaleHigh, survey.Web},
	}
}

// BuiltinReleases gives version 1 of each survey, in all its locales that have a pack.
func BuiltinReleases(packs map[string]*Pack, surveys []survey.Survey) []survey.Release {
	releases := make([]survey.Release, 0, len(surveys))
	for _, sv := range surveys {
		r := survey.Release{Survey: sv.ID, Version: 1, Actor: "odziv", Note: "came with the program"}
		for _, locale := range sv.Locales {
			if p := packs[locale]; p != nil {
				r.Texts = append(r.Texts, p.Surveys[sv.ID]...)
			}
		}
		releases = append(releases, r)
	}
	return releases
}

// Locales lists the locales that come with the program, in the order in which they are shown.
func Locales() []string {
	return []string{"en", "hr", "sr-Latn", "sr-Cyrl", "sl", "pl", "fa"}
}

// MatchLocale finds the locale of ours for a BCP 47 tag, in any case, with hyphens or underscores. ok is false when
// there is none: a neighbour's language is used only where its readers take it for theirs.
//
//   - sr alone, and sr of any country, is sr-Latn: on phones in Serbia most people write Latin, every reader of
//     Cyrillic reads it, and it makes cheaper SMS. CLDR would say Cyrillic; whoever wants that writes sr-Cyrl.
//   - bs is hr, bs-Cyrl is sr-Cyrl; sh and cnr are sr-Latn, cnr-Cyrl is sr-Cyrl.
//   - prs (Dari) is fa.
//   - mk and tg are nobody's: CLDR's nearest, Serbian Cyrillic and Persian, would be a wrong language.
func MatchLocale(want string) (string, bool) {
	tag := strings.ReplaceAll(strings.TrimSpace(want), "_", "-")
	lang, rest, _ := strings.Cut(tag, "-")
	lang = strings.ToLower(lang)
	checked := lang
	if lang == "cnr" { // younger than the tables of x/text
		checked = "sr"
	}
	if lang != strings.ToLower(tag) {
		checked += "-" + rest
	}
	parsed, err := language.Parse(checked)
	if err != nil {
		return "", false
	}
	script := ""
	if s, sure := parsed.Script(); sure == language.Exact {
		script = s.String()
	}
	latin := script == "" || script == "Latn"
	switch lang {
	case "en", "sl", "pl", "hr":
		return lang, latin
	case "bs", "sr", "sh", "cnr":
		switch {
		case script == "Cyrl":
			return "sr-Cyrl", true
		case lang == "bs":
			return "hr", latin
		default:
			return "sr-Latn", latin || lang == "sh"
		}
	case "fa", "prs":
		return "fa", script == "" || script == "Arab"
	default:
		return "", false
	}
}
