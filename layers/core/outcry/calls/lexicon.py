"""The words that the grammar knows, by what they do in a sentence. Pure data: no rule lives here.

All words are lower case with straight apostrophes. A word outside these sets is unknown, and an unknown word
in front of a
trade verb keeps the verb from being read: precision comes from what is listed, not from what is forbidden.
"""


def set_of(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


# Everyday and CT words that are also tickers, or may become one: capitals and a governing verb are required.
COMMON_WORDS = set_of(
    """
    a ace act ago ai air all alpha alt am an and anime any ape apex are arc art as ask ath atom baby back bad
    badger banana bank
    base bear bears bera bet big bigtime bio bit blast block blur book boom bottom bounce break bro bull
    bulls buy by cake call
    can cap cash cat chain chart chill chip close coin comp core cow cpi crown cult cyber dad dash data day
    dd deep degen dip do
    dog doge dood dot double down drift drop dump dusk dust edge ego eigen end entry epic era etf ever exit
    fair fed fee fi fib
    fire first flip flow fly fomo fomc for form forth free friend frog fud fuel fun fund game gas gem get
    gift giga gm gn go goat
    gold gone good grass green grid gun hawk he her here high him hit hodl hold home honey hook hot house how
    hyper hype i ice icon
    id idea if im in index init io ip is it jelly joe jump just keep key kid kind king know last layer learn
    led let lever lfg life
    light link lit long look loom love low luck luna ma magic major make man map mark market mask matter max
    may me mean meme met
    mind mine mint moby mom mon moon more move my near neo net new news next nfa nft nice nil no node nor not
    note now of off oil
    ok old om omni on one only op open orbit orca order ordi origin our out ox pain paper park pay peak
    people perp pick pixel
    plan play point pool pop port post power present price print prime pro prompt proof prove psa pump pundi
    push put quick
    ray raw ready real red rekt render req rest rich ride right rise risk rose rug run sad safe saga sale
    sand sats save say scalp
    scr sea sec see sell send set she shell ship short side sky slow small smart so solo some sonic soon
    space spell spot stable
    star stay step stop store storm strong sun super sure sushi sweat swing swap syrup ta take talk target
    team tell term test that
    the then they this thing three ticker tie tiger time to today top total tp trade trader trap tree trend
    true trump trust try
    turbo turn two up us use usual vine virtual visa vote wait wake wall want war wave way we wen west what
    when whale who why will
    win wing wink with woo wood word work world worth wow x year yes yolo you your zen zero zone
    """
)

LONG_NOUNS = set_of("long longs")
SHORT_NOUNS = set_of("short shorts")

# Verbs that name a direction. A present form is taken now, a past form without a time was just taken.
LONG_PRESENT = set_of("longing buying bidding aping accumulating scooping grabbing")
LONG_PAST = set_of("longed bought aped scooped grabbed sniped bid")
LONG_IMPERATIVE = set_of("buy ape")
SHORT_PRESENT = set_of("shorting fading")
SHORT_PAST = set_of("shorted faded")
SHORT_IMPERATIVE = set_of("fade")
# Verbs that open what a direction noun names: "opened a long on ETH", "going short".
OPEN_VERBS = set_of(
    """
    open opening opened enter entering entered take taking took start starting started add adding added go
    going went gone place
    placing placed flip flipping flipped get getting got put putting scalp scalping scalped swing swinging
    """
)
FLIP_VERBS = set_of("flip flipping flipped reversing reversed")
LONG_OPEN_VERBS = set_of("adding added entered entering loading loaded")  # without a noun they mean a buy
CLOSE_VERBS = set_of("close closing closed exit exiting exited cut cutting flatten flattening flattened")
COVER_VERBS = set_of("cover covering covered")
SELL_VERBS = set_of("sold selling dumped dumping")
SELL_IMPERATIVE = set_of("sell")
PAST_VERBS = (
    LONG_PAST
    | SHORT_PAST
    | set_of("opened entered took started added went gone placed flipped got put scalped closed exited")
)

FIRST_PERSON = set_of("i i'm im i've ive i'll ill we we're we've we'll i'd")
ADVERBS = set_of(
    "just now also again finally officially personally currently back am are have literally actually here ok"
)

# Words that may stand before a trade verb without changing who trades, or whether.
PREFIX = (
    FIRST_PERSON
    | set_of(
        """
        am are have just now also again finally officially personally today here currently ok okay alright
        well so and plus gm new
        trade trades signal signals call alert setup position entry entries scalp swing quick small big tiny
        huge another one more
        first second back time to let's lets free vip premium high conviction risk risky degen leveraged spot
        limit market order
        orders aggressively heavily gently slowly my the a an in on of for at with from some bit little full
        half size sized
        actually literally update play idea ta chart perp perps futures trading ticker coin pair token asset
        direction side type
        taking took going went go opened opening open entered entering added adding add placed placing
        started starting getting got
        is crypto morning team guys everyone's fam folks friends anyway right alert next today's this out
        decided all day max re
        """
    )
) - set_of("half out")

# Plans: not taken yet, so a level of the author's own must say when.
PLAN = set_of(
    "will i'll we'll ill looking want wanna plan planning gonna waiting be set orders bids limit bid ready"
)

# Between a verb and its token.
GAP = set_of(
    """
    a an the some more little bit of on in my our small big full size position positions bag bags into to up
    here now this dip
    these again spot perp perps trade all entire whole rest remaining out from at with heavy hard tiny huge
    max degen scalp swing
    first another high your leverage leveraged limit market back fresh new lot lots ton also just quick nice x
    for filled
    """
)

# After a bare "LONG BTC" or "BTC LONG": anything else (holders, term, squeeze) makes it talk about longs.
AFTER_NOUN = set_of(
    """
    here now at from entry entries around near @ market cmp limit with leverage lev scalp swing setup signal
    trade sl stop stoploss tp
    target targets tgt take between above below over under on spot position again opened open entered if once
    when again today
    cross isolated perp perps zone in idea and invalidation inval leveraged this limit
    """
)
STRENGTH = set_of(
    "here now market cmp entry entries entered opened limit leverage lev scalp setup signal isolated cross"
)

NEGATION = set_of(
    """
    not no never don't dont doesn't didn't didnt won't wont can't cant isn't ain't aren't wouldn't shouldn't
    couldn't haven't
    hasn't without avoid avoiding nobody neither nor stop refuse refusing hate regret missed almost nearly
    instead stay cancel
    cancelled canceled unfilled
    """
)
HEDGE = set_of(
    """
    may might maybe could would should perhaps probably possibly considering consider thinking think tempted
    wish wished wishing
    hope hoping hypothetically pretend imagine suppose wonder wondering unless whether i'd we'd you'd if'n
    tomorrow contemplating
    debating curious lesson lessons mistake story tutorial paper demo backtest simulated
    """
)
CONDITION = set_of("if when once after until till should whenever")
HISTORY = set_of(
    """
    yesterday ago earlier previously before back-then originally years months weeks overnight january
    february march april june
    july august september october november december monday tuesday wednesday thursday friday saturday sunday
    2017 2018 2019
    2020 2021 2022 2023 2024 2025 2026 remember used recap review since once
    """
)
LAST = set_of("last past previous prior")
SPANS = set_of(
    "week night month year cycle time summer winter autumn spring quarter bull bear days trade session"
)
STATUS = set_of(
    """
    hit hits reached smashed done stopped liquidated running printing booked secured breakeven
    be
    achieved completed roi pnl winner winners banger recap squeezed squeeze liquidations liquidation
    rekt
    """
)
PARTIAL = set_of(
    """
    half some partial partials partially part most quarter third portion trim trimmed trimming chunk bit
    little few tranche
    runner initials initial majority couple
    """
)
OTHERS = set_of(
    """
    he she they he's she's they're his her their him them whale whales someone somebody everyone everybody
    people retail insider
    institutions funds fund trader traders guy guys friend buddy wife saylor blackrock microstrategy strategy
    trump elon musk
    company etf etfs bulls bears market-makers cz vitalik wintermute jump smart you your you're yours who
    whoever anyone crowd
    holders influencer influencers analyst analysts government el
    """
)
JOKE = set_of(
    "lol lmao lmfao rofl jk kidding joke joking haha hahaha meme imagine sarcasm satire ngmi parody"
)
JOKE_SIGNS = frozenset("😂🤣🤡🙃😹")
OPTIONS = set_of("puts put calls call option options strike covered leaps")
QUESTION_STARTS = set_of(
    "who what when where why how should is are do does did can could would will anyone which whose thoughts"
)

STOP_LABELS = set_of("sl stop stops stoploss inval invalid invalidation invalidated invalidates stoplosses")
TARGET_LABELS = set_of(
    """
    tp tps target targets targeting tgt tgts tg goal takeprofit tp1 tp2 tp3 tp4 tp5 tp6 tp7 tp8 tp9 t1 t2 t3
    t4 t5 target1 target2 target3
    """
)
ENTRY_LABELS = set_of(
    "entry entries entered enter at @ from around avg average cmp between zone limit buyzone price near"
)
TRIGGERS = set_of(
    """
    above below over under reclaims reclaim breaks break loses holds hits tags touches retests retest flips
    reaches crosses of
    """
)
LEVERAGE_LABELS = set_of("leverage lev x")
LEVEL_FILLER = set_of(
    """
    at is loss losses profit profits level levels zone around near below above under over a to the daily
    weekly h4 h1 close closes
    closing on of set candle hard tight price prices first then and my our range order area final in for
    """
)
