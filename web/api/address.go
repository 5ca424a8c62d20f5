package api

import (
	"fmt"
	"net/mail"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"

	"github.com/odziv/odziv/web"
)

// email brings an address into the form in which it is kept (survey.Canonical): an addr-spec in lower case ASCII. A refusal
// says why.
//
// Source: RFC 5321, section 4.1.2, with limits of section 4.5.3.1; RFC 5891 for the domain.
func email(s string) (address, refusal string) {
	s = strings.TrimSpace(s)
	local, domain, ok := cut(s)
	switch {
	case !ok:
		return "", "has no «@»; an address is like ana@example.hr"
	case strings.ContainsAny(s, "<>,; "):
		return "", "is more than one bare address; send it without a name, brackets or spaces, like ana@example.hr"
	case len(local) > 64 || len(s) > 254:
		return "", "is longer than mail allows: 64 bytes before the «@» and 254 in all"
	case !ascii(local):
		return "", "has a letter before the «@» that is not ASCII, which most mail servers refuse"
	}
	if !plainLocal(local) {
		parsed, err := mail.ParseAddress(local + "@example.com")
		if err != nil || parsed.Name != "" {
			return "", "has something before the «@» that no mailbox can be called"
		}
	}
	if !ascii(domain) {
		encoded, err := idna.Lookup.ToASCII(domain)
		if err != nil {
			return "", "has a domain that no host can be called"
		}
		domain = encoded
	}
	domain = lower(domain)
	if why := domainFault(domain); why != "" {
		return "", why
	}
	local = lower(local)
	if len(local)+1+len(domain) == len(s) && s[:len(local)] == local && s[len(local)+1:] == domain {
		return s, ""
	}
	return local + "@" + domain, ""
}

func cut(s string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 {
		return "", "", false
	}
	return s[:at], s[at+1:], true
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// lower is strings.ToLower for ASCII, which gives s itself back when there is nothing to do.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// plainLocal tells the local parts that need no second look: a dot-atom of RFC 5322, section 3.2.3.
func plainLocal(s string) bool {
	dot := true
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0:
			dot = false
		case c == '.' && !dot:
			dot = true
		default:
			return false
		}
	}
	return !dot
}

// domainFault says why a domain in lower case ASCII is none that mail reaches, "" when it may be one.
//
// Source: RFC 1123, section 2.1.
func domainFault(s string) string {
	labels, start, digits := 0, 0, true
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			c := s[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return fmt.Sprintf("has %q in its domain, which no host name holds", rune(c))
			}
			continue
		}
		label := s[start:i]
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "has a domain that no host can be called"
		}
		digits = strings.Trim(label, "0123456789") == ""
		labels, start = labels+1, i+1
	}
	if labels < 2 || digits || s[len(s)-1] == '.' || len(s) > 253 {
		return "has a domain that is none of the internet, such as example.hr"
	}
	return ""
}

// viberFault says why a word cannot be the id of a Viber user, "" when it may be one. Viber calls ids opaque: they look like
// base64, and nothing more is promised.
func viberFault(id string) string {
	switch {
	case len(id) > maxViber:
		return fmt.Sprintf("has %d bytes; at most %d are allowed", len(id), maxViber)
	case strings.ContainsFunc(id, func(c rune) bool { return !unicode.IsGraphic(c) || unicode.IsSpace(c) }):
		return "holds a space or a character that is not seen; the id of a Viber user is like 01234567890A="
	}
	return ""
}

// phones brings phone numbers into E.164. Safe for concurrent use.
type phones struct {
	calling map[int]bool // country calling codes
	blocks  []atomic.Uint64
}

// Numbers are given out in blocks, and no numbering plan tells numbers apart by their last two digits alone when
// they are long enough (TestPhoneBlocks asks every country of the library). So what is known of one number is
// known of its block, and asking the library costs as much as reading the rest of a send.
const (
	blockSize  = 100
	blockLeast = 10_000_000 // national numbers below it are too short to tell
	blockSlots = 1 << 14    // 128 KiB; two blocks of one slot push each other out
	kindBits   = 5
)

func newPhones() *phones {
	return &phones{calling: phonenumbers.GetSupportedCallingCodes(), blocks: make([]atomic.Uint64, blockSlots)}
}

// kind is the type of a number in its country's plan.
func (p *phones) kind(cc int32, national uint64) phonenumbers.PhoneNumberType {
	if national < blockLeast {
		return ask(cc, national)
	}
	block := (national/blockSize<<10|uint64(cc))<<kindBits | 1<<(kindBits-1) //nolint:gosec // a calling code has 10 bits
	slot := &p.blocks[(block*0x9e3779b97f4a7c15)>>(64-14)]
	if known := slot.Load(); known&^(1<<(kindBits-1)-1) == block {
		return phonenumbers.PhoneNumberType(known & (1<<(kindBits-1) - 1))
	}
	kind := ask(cc, national)
	slot.Store(block | uint64(kind)) //nolint:gosec // the library has 12 types
	return kind
}

func ask(cc int32, national uint64) phonenumbers.PhoneNumberType {
	return phonenumbers.GetNumberType(&phonenumbers.PhoneNumber{CountryCode: &cc, NationalNumber: &national})
}

// phone gives a number in E.164, or the code of a problem and why. The library is asked for the numbering plan
// only: reading a number, too, costs four times as much, and most come as «+» and digits with separators.
func (p *phones) phone(s string) (e164, code, refusal string) {
	var room [20]byte
	digits, plain := international(s, room[:0])
	if plain {
		if cc, national, ok := p.split(digits[1:]); ok {
			if code, _ := verdict(p.kind(cc, national), cc); code == "" {
				if string(digits) == s {
					return s, "", ""
				}
				return string(digits), "", ""
			} // else the library may still know better, as with a trunk zero
		}
	}
	return p.slowly(s, plain)
}

// slowly lets the library read the number: trunk zeros, Italian zeros, letters.
func (p *phones) slowly(s string, plain bool) (e164, code, refusal string) {
	number, err := phonenumbers.Parse(s, phonenumbers.UNKNOWN_REGION)
	switch {
	case err != nil && !plain:
		return "", web.CodeInvalidPhone, "is not in international form; write «+», country code, number, like +385 91 123 4567"
	case err != nil:
		return "", web.CodeInvalidPhone, "is no phone number; write «+», country code, number, like +385 91 123 4567"
	case number.GetExtension() != "":
		return "", web.CodeUnreachablePhone, "has an extension, which receives no messages"
	}
	if code, refusal = verdict(phonenumbers.GetNumberType(number), number.GetCountryCode()); code != "" {
		return "", code, refusal
	}
	return phonenumbers.Format(number, phonenumbers.E164), "", ""
}

// verdict tells whether messages reach numbers of a type.
func verdict(t phonenumbers.PhoneNumberType, cc int32) (code, refusal string) {
	kind := ""
	switch t {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE, phonenumbers.VOIP, phonenumbers.PERSONAL_NUMBER:
		return "", ""
	case phonenumbers.FIXED_LINE:
		kind = "a land line"
	case phonenumbers.TOLL_FREE:
		kind = "a free-phone number"
	case phonenumbers.PREMIUM_RATE:
		kind = "a premium-rate number"
	case phonenumbers.SHARED_COST:
		kind = "a shared-cost number"
	case phonenumbers.PAGER, phonenumbers.UAN, phonenumbers.VOICEMAIL:
		kind = "a service number"
	default:
		return web.CodeInvalidPhone, "is no number of the numbering plan of its country (+" +
			strconv.Itoa(int(cc)) + "); check its digits"
	}
	return web.CodeUnreachablePhone, "is " + kind + ", which receives no SMS and no Viber message; send a mobile number or leave it out"
}

// international brings «+» and digits of any script into ASCII without separators; ok is false when anything else
// is in it, when it does not begin with «+» or 00, or when it is too long.
func international(s string, to []byte) (digits []byte, ok bool) {
	to = append(to, '+')
	plus := false
	for _, c := range strings.TrimSpace(s) {
		switch {
		case c >= '0' && c <= '9':
		case c >= '۰' && c <= '۹':
			c += '0' - '۰'
		case c >= '٠' && c <= '٩':
			c += '0' - '٠'
		case (c == '+' || c == '\uff0b') && !plus && len(to) == 1:
			plus = true
			continue
		case c == ' ', c == '-', c == '.', c == '/', c == '(', c == ')', c == '\u00a0', c == '\u202a', c == '\u202c',
			c == '\u200e', c == '\u200f', c == '\u2066', c == '\u2069', c == '‑', c == '–':
			continue // separators, and the marks that keep a number in order in Persian text
		default:
			return nil, false
		}
		if to = append(to, byte(c)); len(to) > 18 { //nolint:gosec // an ASCII digit
			return nil, false
		}
	}
	if !plus {
		if len(to) < 3 || to[1] != '0' || to[2] != '0' {
			return nil, false
		}
		to = append(to[:1], to[3:]...)
	}
	return to, len(to) >= 8 && len(to) <= 16
}

// split takes the country calling code off; ok is false when the rest needs the library, as one that begins with 0.
func (p *phones) split(digits []byte) (cc int32, national uint64, ok bool) {
	code := 0
	for i := range 3 {
		code = code*10 + int(digits[i]-'0')
		if !p.calling[code] {
			continue
		}
		if digits[i+1] == '0' || code == 39 {
			return 0, 0, false
		}
		for _, d := range digits[i+1:] {
			national = national*10 + uint64(d-'0')
		}
		return int32(code), national, true //nolint:gosec // three digits
	}
	return 0, 0, false
}
