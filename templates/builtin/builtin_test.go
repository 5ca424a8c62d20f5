package builtin_test

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

// A pack is one locale file as it stands.
type pack struct {
	Locale  string            `yaml:"locale"`
	Name    string            `yaml:"name"`
	Dir     string            `yaml:"dir"`
	Digits  string            `yaml:"digits"`
	SMSFold string            `yaml:"sms_fold"`
	Page    map[string]string `yaml:"page"`
	Surveys map[string][]text `yaml:"surveys"`
}

type text struct {
	Kind    survey.Kind    `yaml:"kind"`
	Channel survey.Channel `yaml:"channel"`
	Subject string         `yaml:"subject"`
	Text    string         `yaml:"text"`
}

// traits are what a test must know of a locale.
type traits struct {
	stop     string // the word that the texts tell people to send
	segments int    // that an SMS may take
}

// A text in the Latin alphabet fits one segment once its letters have lost their marks. Cyrillic and Persian have 70
// characters where Latin has 160: the question, its scale and the way out together do not fit into one.
func locales() map[string]traits {
	return map[string]traits{
		"en": {"STOP", 1}, "hr": {"STOP", 1}, "sr-Latn": {"STOP", 1}, "sr-Cyrl": {"СТОП", 2}, "sl": {"STOP", 1}, "pl": {"STOP", 1}, "fa": {"لغو", 2},
	}
}

func load(t *testing.T, locale string) pack {
	t.Helper()
	raw, err := fs.ReadFile(os.DirFS("."), locale+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var p pack
	if err := yaml.UnmarshalWithOptions(raw, &p, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", locale, err)
	}
	return p
}

// each runs a test for every locale.
func each(t *testing.T, check func(t *testing.T, p pack, tr traits)) {
	t.Helper()
	for locale, tr := range locales() {
		t.Run(locale, func(t *testing.T) {
			t.Parallel()
			check(t, load(t, locale), tr)
		})
	}
}

// eachText runs a check for every piece of wording of a pack; where names it.
func eachText(p pack, check func(where, s string)) {
	for key, s := range p.Page {
		check("page."+key, s)
	}
	for id, texts := range p.Surveys {
		for _, m := range texts {
			where := id + " " + string(m.Kind) + " " + string(m.Channel)
			check(where, m.Text)
			if m.Subject != "" {
				check(where+" subject", m.Subject)
			}
		}
	}
}

func placeholders(s string) []string {
	found := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(s, -1)
	slices.Sort(found)
	return found
}

// words takes markup, placeholders and addresses out of a text.
func words(s string) string {
	return regexp.MustCompile(`\{\{.*?\}\}|\{%.*?%\}|\{[a-z]+\}`).ReplaceAllString(s, " ")
}

func TestEveryFileIsALocale(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		locale, ok := strings.CutSuffix(f.Name(), ".yaml")
		if _, known := locales()[locale]; ok && !known {
			t.Errorf("%s is no locale of this test", f.Name())
		}
	}
	for _, sv := range survey.Builtin() {
		for _, locale := range sv.Locales {
			if _, known := locales()[locale]; !known {
				t.Errorf("%s needs %s", sv.ID, locale)
			}
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p pack, _ traits) {
		_, err := os.Stat(p.Locale + ".yaml")
		if err != nil || p.Name == "" || len([]rune(p.Digits)) != 10 || survey.Digits("0123456789", p.Locale) != p.Digits {
			t.Errorf("locale %q, name %q, digits %q", p.Locale, p.Name, p.Digits)
		}
		if !slices.Contains(survey.FoldPlans(), p.SMSFold) {
			t.Errorf("sms_fold %q is none of %v", p.SMSFold, survey.FoldPlans())
		}
		want := "ltr"
		if p.Locale == "fa" {
			want = "rtl"
		}
		if p.Dir != want {
			t.Errorf("dir %q; want %q", p.Dir, want)
		}
	})
}

func TestSameKeys(t *testing.T) {
	t.Parallel()
	shape := func(p pack) map[string][]string {
		out := map[string][]string{}
		for id, texts := range p.Surveys {
			for _, m := range texts {
				out[id] = append(out[id], string(m.Kind)+" "+string(m.Channel)+" "+strconv.FormatBool(m.Subject != ""))
			}
		}
		for key, s := range p.Page {
			out["page."+key] = placeholders(s)
		}
		return out
	}
	want := shape(load(t, "en"))
	if len(load(t, "en").Page) != 35 || len(want["nps-after-purchase"]) != 17 {
		t.Errorf("%d words of the page, %d texts; want 35 and 17", len(load(t, "en").Page), len(want["nps-after-purchase"]))
	}
	for _, sv := range survey.Builtin() {
		if len(want[sv.ID]) == 0 {
			t.Errorf("no texts for %s", sv.ID)
		}
	}
	each(t, func(t *testing.T, p pack, _ traits) {
		if diff := cmp.Diff(want, shape(p)); diff != "" {
			t.Errorf("-en +%s\n%s", p.Locale, diff)
		}
		eachText(p, func(where, s string) {
			if strings.TrimSpace(s) != s || s == "" || strings.Contains(s, "  ") {
				t.Errorf("%s: %q is empty or has odd spaces", where, s)
			}
		})
	})
}

// Only what a message may use, and nothing that may be empty without a guard. To Liquid an empty text is true, so a
// guard asks for both: that there is a value, and that it is not empty.
func TestLiquid(t *testing.T) {
	t.Parallel()
	tags := regexp.MustCompile(`\{\{\s*([^}]*?)\s*\}\}|\{%\s*([^%]*?)\s*%\}`)
	guards := regexp.MustCompile(`\{% if ([a-z_.]+) and ([a-z_.]+) != "" %\}([^%]*)\{% endif %\}`)
	each(t, func(t *testing.T, p pack, _ traits) {
		eachText(p, func(where, s string) {
			for _, m := range tags.FindAllStringSubmatch(s, -1) {
				switch {
				case slices.Contains([]string{"brand.name", "links.page", "links.unsubscribe", "contact.first_name", "transaction.id"}, m[1]):
				case slices.Contains([]string{`if contact.first_name and contact.first_name != ""`, `if transaction.id and transaction.id != ""`, "endif"}, m[2]):
				default:
					t.Errorf("%s: %s is not known", where, m[0])
				}
			}
			for _, m := range guards.FindAllStringSubmatch(s, -1) {
				if m[1] != m[2] || !strings.Contains(m[3], "{{ "+m[1]+" }}") {
					t.Errorf("%s: %s guards something else", where, m[0])
				}
			}
			bare := guards.ReplaceAllString(s, "")
			if strings.Contains(bare, "contact.") || strings.Contains(bare, "transaction.") || strings.Contains(bare, "{%") {
				t.Errorf("%s: what may be empty has no guard: %q", where, bare)
			}
			if strings.HasPrefix(where, "page.") && strings.Contains(s, "{{") {
				t.Errorf("%s: Liquid is for messages only", where)
			}
		})
	})
}

func TestSegments(t *testing.T) {
	t.Parallel()
	const brand = "Trgovina Lipa Zagreb" // 20 characters, as long as a brand's name may be for these limits
	each(t, func(t *testing.T, p pack, tr traits) {
		name := brand
		if p.Dir == "rtl" {
			name = "\u2068" + brand + "\u2069" // variables are isolated there
		}
		for id, texts := range p.Surveys {
			for _, m := range texts {
				if m.Channel != survey.SMS && m.Channel != survey.Chat {
					continue
				}
				s := survey.Fold(strings.ReplaceAll(m.Text, "{{ brand.name }}", name), p.SMSFold)
				if got := survey.Segments(s); got.Count > tr.segments || tr.segments == 1 && got.Encoding != survey.GSM7 {
					t.Errorf("%s %s %s: %d segments, %d units, forced by %q; want %d: %q", id, m.Kind, m.Channel, got.Count, got.Units, string(got.Forcing), tr.segments, s)
				}
			}
		}
	})
}

// An SMS says who writes and how to make it stop, and can be answered without a link.
func TestSMS(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p pack, tr traits) {
		if survey.Command(tr.stop) != survey.CmdStop {
			t.Errorf("%q would not stop anything", tr.stop)
		}
		for id, texts := range p.Surveys {
			for _, m := range texts {
				switch {
				case m.Channel == survey.SMS && (!strings.HasPrefix(m.Text, "{{ brand.name }}") || !strings.Contains(m.Text, tr.stop) || strings.Contains(m.Text, "links.")):
					t.Errorf("%s %s: %q", id, m.Kind, m.Text)
				case m.Channel == survey.Viber && (!strings.Contains(m.Text, "{{ brand.name }}") || !strings.Contains(m.Text, tr.stop)):
					t.Errorf("%s %s: %q", id, m.Kind, m.Text)
				}
			}
		}
	})
}

func TestEmail(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p pack, _ traits) {
		for id, texts := range p.Surveys {
			for _, m := range texts {
				if m.Channel != survey.Email {
					continue
				}
				lines := strings.Split(m.Text, "\n")
				last := lines[len(lines)-1]
				if !slices.Contains(lines, "{{ links.page }}") || !strings.HasSuffix(last, "{{ links.unsubscribe }}") || !strings.Contains(m.Text, "{{ transaction.id }}") ||
					!strings.Contains(m.Subject, "{{ brand.name }}") {
					t.Errorf("%s %s: subject %q, text\n%s", id, m.Kind, m.Subject, m.Text)
				}
			}
		}
	})
}

// The words say the same scale as the survey, in the digits of the locale.
func TestScale(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p pack, _ traits) {
		for _, sv := range survey.Builtin() {
			low, high := survey.Digits(strconv.Itoa(sv.Min), p.Locale), survey.Digits(strconv.Itoa(sv.Max), p.Locale)
			for _, m := range p.Surveys[sv.ID] {
				found := strings.FieldsFunc(words(m.Text), func(r rune) bool { return !unicode.IsDigit(r) })
				switch m.Kind {
				case survey.Invitation, survey.Reminder, survey.Clarify:
					if !slices.Equal(found, []string{low, high}) {
						t.Errorf("%s %s %s: numbers %v; want %s and %s", sv.ID, m.Kind, m.Channel, found, low, high)
					}
				default:
					if len(found) > 0 {
						t.Errorf("%s %s %s: numbers %v; want none", sv.ID, m.Kind, m.Channel, found)
					}
				}
			}
		}
	})
}

// One alphabet a locale: a Latin «a» in a Cyrillic word looks right and is not.
func TestAlphabet(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p pack, _ traits) {
		own, alphabet := unicode.Latin, ""
		switch p.Locale {
		case "sr-Cyrl":
			own, alphabet = unicode.Cyrillic, "абвгдђежзијклљмнњопрстћуфхцчџш"
		case "fa":
			own, alphabet = unicode.Arabic, "آاأبپتثجچحخدذرزژسشصضطظعغفقکگلمنوهیئءؤ"
		case "sr-Latn", "hr":
			alphabet = "abcčćdđefghijklmnoprsštuvzž"
		case "sl":
			alphabet = "abcčdefghijklmnoprsštuvzž"
		case "pl":
			alphabet = "aąbcćdeęfghijklłmnńoóprsśtuwyzźż"
		default:
			alphabet = "abcdefghijklmnopqrstuvwxyz"
		}
		eachText(p, func(where, s string) {
			s = words(s)
			for _, r := range s {
				if unicode.IsLetter(r) && (!unicode.Is(own, r) || !strings.ContainsRune(alphabet, unicode.ToLower(r))) {
					t.Errorf("%s: %q (%U) is no letter of %s", where, r, r, p.Locale)
				}
				if p.Locale == "fa" && (r >= '0' && r <= '9' || strings.ContainsRune("?,;", r)) {
					t.Errorf("%s: %q is not how Persian writes it", where, r)
				}
			}
		})
	})
}

// The two scripts of Serbian say the same, letter for letter.
func TestSerbianScripts(t *testing.T) {
	t.Parallel()
	inLatin := map[string]string{}
	eachText(load(t, "sr-Latn"), func(where, s string) { inLatin[where] = s })
	eachText(load(t, "sr-Cyrl"), func(where, s string) {
		if got := survey.Fold(s, survey.FoldLatin); got != inLatin[where] {
			t.Errorf("%s: %q; want %q", where, got, inLatin[where])
		}
	})
}

// Persian prefixes and endings are joined by ZWNJ, never by a space; an SMS has none, since some networks drop it.
func TestPersianJoiners(t *testing.T) {
	t.Parallel()
	p := load(t, "fa")
	eachText(p, func(where, s string) {
		for w := range strings.FieldsSeq(words(s)) {
			if slices.Contains([]string{"می", "نمی", "ها", "های", "تر", "ترین", "اید", "ایم"}, strings.Trim(w, "،.؟!:«»()")) {
				t.Errorf("%s: %q stands apart in %q", where, w, s)
			}
		}
		if strings.HasSuffix(where, " sms") && strings.Contains(s, "\u200c") {
			t.Errorf("%s: %q has a joiner", where, s)
		}
	})
}

// Nobody is addressed as a man or a woman, and no word asks for a vocative.
func TestNeutralAddress(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p pack, _ traits) {
		eachText(p, func(where, s string) {
			for _, w := range strings.FieldsFunc(strings.ToLower(words(s)), func(r rune) bool { return !unicode.IsLetter(r) }) {
				switch w {
				case "pan", "pani", "panu", "szanowny", "szanowna", "poštovani", "poštovana", "поштовани", "dragi", "draga", "spoštovani", "dear", "آقای", "خانم":
					t.Errorf("%s: %q in %q", where, w, s)
				}
			}
			if strings.Contains(s, "contact.") && p.Locale != "en" && p.Locale != "fa" {
				t.Errorf("%s: %s would need the vocative of a name", where, p.Locale)
			}
		})
	})
}
