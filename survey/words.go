package survey

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The words of all locales that replies are read by. They are written as foldWord writes them: small Latin letters
// without marks (Serbian Cyrillic included), or Persian letters without joiners and vowel signs. They are switches
// rather than maps: nothing is built at start, and a word listed twice does not compile.

// foldWord makes words comparable however they were typed: with marks or without, in either script of Serbian, with
// Arabic or Persian letters.
func foldWord(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		r = unicode.ToLower(r)
		switch r {
		case 'đ':
			r = 'd'
		case 'ł':
			r = 'l'
		case 'ي', 'ى':
			r = 'ی'
		case 'ك':
			r = 'ک'
		case 'ـ', '\'', '’', '‘', '`':
			continue
		}
		if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r) {
			continue
		}
		if r < 'а' || r > 'џ' {
			b.WriteRune(r)
			continue
		}
		switch to := latinLetter(r); to {
		case "":
			b.WriteRune(r)
		case "đ":
			b.WriteByte('d')
		case "ž":
			b.WriteByte('z')
		case "ć", "č":
			b.WriteByte('c')
		case "š":
			b.WriteByte('s')
		case "dž":
			b.WriteString("dz")
		default:
			b.WriteString(to)
		}
	}
	return b.String()
}

// A strength tells how far a number word may be trusted.
type strength int

const (
	noNumber      strength = iota
	weakNumber             // has another everyday meaning: a score only where nothing else is possible
	articleNumber          // «one» in any language: often not a count at all
	firmNumber
	biggerNumber // one that no scale has
)

// numberWord reads a folded word of any locale as a number; locale settles what is a word of its own there.
func numberWord(key, locale string) (int, strength) {
	switch primary(locale) + " " + key {
	case "pl ten", "hr one", "sr one", "sl one", "en pet", "pl pet", "en en", "en dve", "en tri", "en sest":
		n, _ := numberWord(key, "")
		return n, weakNumber
	}
	switch key {
	case "nula", "nulu", "nulo", "nule", "nulka", "nicla", "niclo", "zero", "nought", "صفر":
		return 0, firmNumber
	case "nic":
		return 0, weakNumber // Slovenian, also «nothing»
	case "jedan", "jedna", "jedno", "jednu", "jeden", "eden", "ena", "eno", "en", "one", "یک":
		return 1, articleNumber
	case "jedinica", "jedinicu", "jedynka", "jedynke", "enka", "enko", "enica", "enico":
		return 1, firmNumber
	case "dva", "dvije", "dve", "dvojka", "dvojku", "dvojko", "dvica", "dvicu", "dwa", "dwie", "dwojka", "dwojke", "two", "دو":
		return 2, firmNumber
	case "tri", "trojka", "trojku", "trojko", "trica", "tricu", "trzy", "trojke", "three", "سه":
		return 3, firmNumber
	case "cetiri", "cetvorka", "cetvorku", "stiri", "stirica", "stirico", "stirka", "stirko", "cztery", "czworka", "czworke",
		"four", "چهار":
		return 4, firmNumber
	case "pet", "petica", "peticu", "petico", "petka", "petku", "petko", "piec", "piatka", "piatke", "five", "پنج":
		return 5, firmNumber
	case "sest", "sestica", "sesticu", "sestico", "sestka", "sestko", "szesc", "szostka", "szostke", "six", "شش", "شیش":
		return 6, firmNumber
	case "sedam", "sedem", "sedmico", "siedem", "siodemka", "siodemke", "seven", "هفت":
		return 7, firmNumber
	case "sedmica", "sedmicu":
		return 7, weakNumber // also «week»
	case "osam", "osmica", "osmicu", "osmico", "osem", "osemka", "osemko", "osiem", "osemke", "eight", "هشت":
		return 8, firmNumber
	case "devet", "devetka", "devetku", "devetko", "devetica", "deveticu", "devetico", "dziewiec", "dziewiatka", "dziewiatke", "nine":
		return 9, firmNumber
	case "نه":
		return 9, weakNumber // also «no»
	case "deset", "desetka", "desetku", "desetko", "desetica", "deseticu", "desetico", "dziesiec", "dziesiatka", "dziesiatke",
		"ten", "ده":
		return 10, firmNumber
	case "jedanaest", "dvanaest", "petnaest", "dvadeset", "trideset", "pedeset", "enajst", "dvanajst", "dvajset", "petdeset",
		"jedenascie", "dwanascie", "dwadziescia", "trzydziesci", "piecdziesiat", "eleven", "twelve", "fifteen", "twenty",
		"thirty", "fifty", "hundred", "thousand", "hiljadu", "tisucu", "tysiac", "stotina", "یازده", "دوازده", "بیست", "سی",
		"پنجاه", "صد", "هزار", "half", "pola", "pol", "polovica", "نیم":
		return 1000, biggerNumber
	}
	return 0, noNumber
}

func primary(locale string) string {
	tag, _, _ := strings.Cut(locale, "-")
	return strings.ToLower(tag)
}

// saysScore: words that a score follows and hardly anything else does.
func saysScore(key string) bool {
	switch key {
	case "ocjena", "ocjenu", "ocjenom", "ocena", "ocenu", "oceno", "ocene", "ocenjujem", "ocjenjujem", "ocenjam", "oceniam", "oceniem",
		"dajem", "dajemo", "dam", "daje", "dajemy", "score", "rating", "rate", "nota", "punktacja",
		"نمره", "نمرهی", "نمرم", "امتیاز", "امتیازم", "امتیازی":
		return true
	}
	return false
}

// beforeScore: words that may stand between the beginning of a reply, or a word of saysScore, and the score.
func beforeScore(key string) bool {
	switch key {
	case "je", "moja", "moj", "moje", "mojom", "vam", "ti", "to", "od", "mene", "cista", "cistu", "cisto", "solidna", "solidnu", "velika",
		"odgovor", "broj", "biram", "odabirem", "izbiram", "izberem", "moram", "reci", "bih", "bi", "rekao", "rekla", "dao", "dala",
		"dal", "hvala", "pozdrav", "zdravo", "pozdravljeni", "dobar", "dan", "bok", "cao", "ovo", "ta",
		"na", "moim", "zdaniem", "wam", "panstwu", "jest", "mocna", "mocne", "odpowiedz", "wybieram", "powiem", "dalbym", "dalabym",
		"dzien", "dobry", "czesc", "witam",
		"my", "is", "the", "a", "an", "i", "id", "ill", "would", "will", "say", "give", "you", "it", "its", "solid", "answer",
		"hi", "hello", "thanks", "full", "from", "me", "of", "number", "thats",
		"من", "سلام", "به", "شما", "نظر", "نظرم", "پاسخ", "جواب", "عدد", "میدم", "میدهم", "ممنون", "کامل":
		return true
	}
	return false
}

// wouldScore: with these a word after the score may take it back («dala bih 10, ali…»).
func wouldScore(key string) bool {
	switch key {
	case "bih", "bi", "would", "id", "dalbym", "dalabym":
		return true
	}
	return false
}

// doubtsScore: with these in the clause before a number it is not, or not surely, the score.
func doubtsScore(key string) bool {
	switch key {
	case "ne", "nije", "nisam", "necu", "nikad", "nikada", "nikako", "ni", "nisem", "nikoli", "mozda", "mogoce", "oko", "cca", "skoro", "otprilike",
		"proslo", "prosla", "proslu", "prosle", "zadnja", "zadnju", "manje", "vise", "vec", "minus", "plus", "okrog", "skoraj",
		"nie", "nigdy", "moze", "chyba", "okolo", "prawie", "mniej", "wiecej", "poprzednia", "ostatnia",
		"no", "not", "never", "dont", "cant", "wont", "wouldnt", "isnt", "cannot", "maybe", "perhaps", "about", "almost", "nearly", "around",
		"last", "previous", "between", "less", "more", "than", "if",
		"نه", "نیست", "نمیدم", "نمیدهم", "شاید", "حدود", "تقریبا", "قبلی", "کمتر", "بیشتر", "اگر":
		return true
	}
	return false
}

// afterScore: words that belong to the score rather than to a comment.
func afterScore(key string) bool {
	switch key {
	case "bod", "boda", "bodova", "bodove", "poen", "poena", "tock", "tocke", "tocka", "ocjena", "ocena", "punkt", "punkty", "punktow", "pkt",
		"point", "points", "pts", "امتیاز", "نمره", "است", "هست", "میدم", "میدهم", "میدهیم":
		return true
	}
	return false
}

// ofScale: words between a score and the greatest one, as in «9 out of 10».
func ofScale(key string) bool {
	switch key {
	case "od", "na", "z", "iz", "of", "از":
		return true
	}
	return false
}

// givesReason: after a score these begin the reason for it; what follows is no part of the score.
func givesReason(key string) bool {
	switch key {
	case "jer", "zato", "zbog", "posto", "buduci", "ker", "zaradi", "saj", "bo", "poniewaz", "gdyz", "dlatego",
		"because", "cause", "cuz", "since", "چون", "چونکه", "زیرا", "بخاطر":
		return true
	}
	return false
}

// beginsComment: after a score these begin a comment, for they cannot stand between a number and what it counts.
func beginsComment(key string) bool {
	switch key {
	case "ali", "hvala", "sve", "svaka", "ampak", "vendar", "toda", "vse", "ale", "jednak", "lecz", "dziekuje", "dzieki", "wszystko",
		"but", "however", "thanks", "thank", "thx", "everything", "would", "اما", "ولی", "ممنون", "ممنونم", "مرسی", "سپاس", "متشکرم", "همه", "همهچیز":
		return true
	}
	return givesReason(key)
}

// isVerdict: a score may be followed by these alone («9 super»); before another word they could belong to it
// («3 super proizvoda»).
func isVerdict(key string) bool {
	switch key {
	case "super", "top", "odlicno", "izvrsno", "dobro", "ok", "okej", "lose", "uzas", "uzasno", "bravo", "lepo", "lijepo", "zadovoljna", "zadovoljan",
		"preporuka", "odlicna", "odlican", "slabo", "prima", "brzo", "hitro", "zelo", "vrlo", "jako", "veoma",
		"swietnie", "dobrze", "zle", "polecam", "szybko", "bardzo", "rewelacja", "doskonale",
		"great", "good", "excellent", "perfect", "awesome", "bad", "terrible", "fine", "nice", "very", "fast", "please",
		"عالی", "خوب", "بد", "خیلی", "بود", "بودید", "بودین", "بودند", "افتضاح":
		return true
	}
	return false
}

// takesBack: after a score and a comma these make it conditional or doubtful («9, da nije kasnilo»).
func takesBack(key string) bool {
	switch key {
	case "da", "ako", "kad", "kada", "mozda", "ili", "odnosno", "ce", "oziroma", "mogoce", "gdyby", "jesli", "moze", "lub", "albo", "chyba",
		"if", "unless", "or", "maybe", "perhaps", "اگر", "اگه", "شاید", "یا":
		return true
	}
	return false
}

// stopPhrase: a whole message that can only mean «leave me alone».
func stopPhrase(s string) bool {
	switch s {
	case "stop", "stopp", "stopall", "stop all", "unsubscribe", "unsub", "optout", "opt out", "cancel", "quit", "revoke", "remove", "remove me",
		"odjava", "odjavi", "odjavite", "odjavi me", "odjavite me", "odjavljujem se", "prekini", "prekinite", "otkazi", "otkazite",
		"ne zelim", "ne zelim vise", "ne zelim ankete", "ne zelim vise ankete", "ne salji", "ne saljite", "ne salji mi", "ne saljite mi",
		"ne salji vise", "ne saljite vise", "ne saljite mi vise", "ne saljite mi vise poruke", "nemojte mi slati", "nemojte mi vise slati",
		"nemojte mi slati poruke",
		"preklici", "preklicite", "prenehaj", "prenehajte", "ne posiljaj", "ne posiljajte", "ne posiljajte mi", "ne posiljajte vec",
		"wypisz", "wypisz mnie", "wypiszcie mnie", "wypisuje sie", "rezygnuje", "rezygnacja", "anuluj", "nie chce", "nie wysylajcie",
		"nie wysylajcie mi", "nie wysylac", "mnie wypisac",
		"لغو", "لغو11", "لغو 11", "لغو اشتراک", "لغو عضویت", "لغو پیامک", "لغو نظرسنجی", "لغو کنید", "لغو شود", "انصراف", "توقف", "خروج", "استاپ":
		return true
	}
	return false
}

// stopWord: with one of these first, a message of up to three words is a STOP too.
func stopWord(key string) bool {
	switch key {
	case "stop", "stopp", "stopall", "unsubscribe", "unsub", "optout", "odjava", "odjavi", "odjavite", "wypisz", "wypiszcie", "rezygnuje",
		"لغو11", "استاپ":
		return true
	}
	return false
}

func startPhrase(s string) bool {
	switch s {
	case "start", "unstop", "subscribe", "resume", "prijava", "prijavi", "prijavi me", "zapisz", "zapisz mnie", "zapisuje sie",
		"شروع", "عضویت", "فعال":
		return true
	}
	return false
}

func helpPhrase(s string) bool {
	switch s {
	case "help", "info", "pomoc", "pomagaj", "راهنما", "کمک":
		return true
	}
	return false
}

// courtesy: words that may stand before a command.
func courtesy(key string) bool {
	switch key {
	case "please", "pls", "molim", "vas", "prosim", "prosze", "لطفا":
		return true
	}
	return false
}

// autoOpenings begin an automatic reply; autoMarks stand anywhere in one. Folded words, one space between.
func autoOpenings() []string {
	return []string{
		"automatic reply", "auto reply", "autoreply", "auto response", "automated reply", "automated response", "out of office", "out of the office",
		"automatski odgovor", "automatska poruka", "auto odgovor", "odsutnost iz ureda", "van kancelarije", "samodejni odgovor",
		"samodejno sporocilo", "avtomatski odgovor", "avtomatsko sporocilo", "odsotnost", "odpowiedz automatyczna", "automatyczna odpowiedz",
		"autoodpowiedz", "autoresponder", "wiadomosc automatyczna", "پاسخ خودکار", "پیام خودکار", "پاسخگوی خودکار",
	}
}

func autoMarks() []string {
	return []string{
		"this is an automatic reply", "this is an automated", "this is an auto reply", "i am out of the office", "im out of the office",
		"i am currently out of the office", "im currently out of the office", "i am currently away", "driving focus", "focus turned on",
		"im driving right now", "i am driving right now", "cant talk right now", "ill get back to you later",
		"ovo je automatska poruka", "ovo je automatski odgovor", "trenutno nisam u uredu", "trenutno sam na godisnjem", "nisam u uredu do",
		"odsutan sam do", "odsutna sam do", "trenutno nisam u kancelariji", "trenutno sam na odmoru", "trenutno vozim", "trenutno sam odsutan",
		"trenutno sam odsutna", "to je samodejni odgovor", "to je avtomatski odgovor", "to je avtomatsko sporocilo", "trenutno me ni v pisarni",
		"nisem v pisarni", "sem na dopustu do", "trenutno sem odsoten", "trenutno sem odsotna", "jestem poza biurem",
		"przebywam na urlopie", "jestem na urlopie do", "nie ma mnie w biurze", "to jest wiadomosc automatyczna", "to jest automatyczna",
		"ta wiadomosc zostala wygenerowana automatycznie", "این پیام خودکار است", "این یک پیام خودکار است", "در حال رانندگی هستم",
		"در حال حاضر در دسترس نیستم", "در مرخصی هستم",
	}
}
