"""Sentences about a clip in five languages, with the noun phrases that can be pointed at.

In a template `@` is the subject and `[chair|a *chair]` a phrase about an object; `*` marks the word that stands for it
when a box is compared with it. Blanks separate words, in Chinese too; `sentence` joins them as a reader expects.
"""

import re
from dataclasses import dataclass

from .solids import Colour

LANGUAGES = ("en", "es", "de", "fr", "zh")

_COLOURS: dict[str, tuple[Colour, tuple[str, str, str, str, str]]] = {
    "red": ((205, 50, 45), ("red", "roja", "roten", "rouge", "红色")),
    "orange": ((230, 130, 45), ("orange", "naranja", "orangefarbenen", "orange", "橙色")),
    "brown": ((135, 85, 50), ("brown", "marrón", "braunen", "marron", "棕色")),
    "yellow": ((225, 205, 60), ("yellow", "amarilla", "gelben", "jaune", "黄色")),
    "green": ((60, 165, 65), ("green", "verde", "grünen", "verte", "绿色")),
    "turquoise": ((50, 180, 175), ("turquoise", "turquesa", "türkisfarbenen", "turquoise", "青色")),
    "blue": ((50, 95, 200), ("blue", "azul", "blauen", "bleue", "蓝色")),
    "purple": ((135, 65, 185), ("purple", "morada", "lilafarbenen", "violette", "紫色")),
    "pink": ((230, 90, 170), ("pink", "rosa", "rosafarbenen", "rose", "粉色")),
}
_SUBJECT = {
    "en": "a *person in a {} shirt",
    "es": "una *persona con camiseta {}",
    "de": "eine *Person in einem {} Hemd",
    "fr": "une *personne en chemise {}",
    "zh": "一个 穿 {} 上衣 的 *人",
}
_PLACE = {  # level -> how a sentence begins
    "studio": {
        "en": "In a studio , ",
        "es": "En un estudio , ",
        "de": "In einem Studio ",
        "fr": "Dans un studio , ",
        "zh": "在 摄影棚 里 ， ",
    },
    "street": {
        "en": "On a street , ",
        "es": "En una calle , ",
        "de": "Auf einer Straße ",
        "fr": "Dans une rue , ",
        "zh": "在 街上 ， ",
    },
}
_ACTIONS: dict[str, tuple[str, str, str, str, str]] = {  # class -> en, es, de, fr, zh
    "sit down": (
        "@ sits down on [chair|a *chair]",
        "@ se sienta en [chair|una *silla]",
        "setzt sich @ auf [chair|einen *Stuhl]",
        "@ s'assoit sur [chair|une *chaise]",
        "@ 坐到 [chair|*椅子] 上",
    ),
    "stand up": (
        "@ stands up from [chair|a *chair]",
        "@ se levanta de [chair|una *silla]",
        "steht @ von [chair|einem *Stuhl] auf",
        "@ se lève d' [chair|une *chaise]",
        "@ 从 [chair|*椅子] 上 站起来",
    ),
    "pick up": (
        "@ picks up [parcel|a *parcel] from the ground",
        "@ recoge [parcel|un *paquete] del suelo",
        "hebt @ [parcel|ein *Paket] vom Boden auf",
        "@ ramasse [parcel|un *colis] par terre",
        "@ 从 地上 拿起 [parcel|一个 *包裹]",
    ),
    "put down": (
        "@ puts [parcel|a *parcel] down on the ground",
        "@ deja [parcel|un *paquete] en el suelo",
        "stellt @ [parcel|ein *Paket] auf den Boden",
        "@ pose [parcel|un *colis] par terre",
        "@ 把 [parcel|一个 *包裹] 放到 地上",
    ),
    "open door": (
        "@ opens [door|a *door]",
        "@ abre [door|una *puerta]",
        "öffnet @ [door|eine *Tür]",
        "@ ouvre [door|une *porte]",
        "@ 打开 [door|一扇 *门]",
    ),
    "close door": (
        "@ closes [door|a *door]",
        "@ cierra [door|una *puerta]",
        "schließt @ [door|eine *Tür]",
        "@ ferme [door|une *porte]",
        "@ 关上 [door|一扇 *门]",
    ),
    "push crate": (
        "@ pushes [crate|a *crate] along",
        "@ empuja [crate|un *cajón]",
        "schiebt @ [crate|eine *Kiste] vor sich her",
        "@ pousse [crate|une *caisse]",
        "@ 推着 [crate|一个 *大箱子]",
    ),
    "pull crate": (
        "@ walks backwards and pulls [crate|a *crate]",
        "@ camina hacia atrás y tira de [crate|un *cajón]",
        "geht @ rückwärts und zieht [crate|eine *Kiste]",
        "@ marche à reculons et tire [crate|une *caisse]",
        "@ 倒退着 拉 [crate|一个 *大箱子]",
    ),
    "climb on box": (
        "@ climbs onto [box|a *box]",
        "@ se sube a [box|una *caja]",
        "steigt @ auf [box|einen *Kasten]",
        "@ monte sur [box|une *boîte]",
        "@ 爬上 [box|一个 *箱子]",
    ),
    "climb off box": (
        "@ climbs down from [box|a *box]",
        "@ se baja de [box|una *caja]",
        "steigt @ von [box|einem *Kasten] herunter",
        "@ descend d' [box|une *boîte]",
        "@ 从 [box|一个 *箱子] 上 下来",
    ),
    "put on hat": (
        "@ puts on [hat|a *hat]",
        "@ se pone [hat|un *sombrero]",
        "setzt @ [hat|einen *Hut] auf",
        "@ met [hat|un *chapeau]",
        "@ 戴上 [hat|一顶 *帽子]",
    ),
    "take off hat": (
        "@ takes off [hat|a *hat]",
        "@ se quita [hat|un *sombrero]",
        "nimmt @ [hat|einen *Hut] ab",
        "@ enlève [hat|un *chapeau]",
        "@ 摘下 [hat|一顶 *帽子]",
    ),
    "step right": (
        "@ takes steps to the right of the picture",
        "@ da pasos hacia la derecha de la imagen",
        "macht @ Schritte zur rechten Seite des Bildes",
        "@ fait des pas vers la droite de l' image",
        "@ 向 画面 右侧 迈步",
    ),
    "step left": (
        "@ takes steps to the left of the picture",
        "@ da pasos hacia la izquierda de la imagen",
        "macht @ Schritte zur linken Seite des Bildes",
        "@ fait des pas vers la gauche de l' image",
        "@ 向 画面 左侧 迈步",
    ),
    "stroll": (
        "@ strolls in a circle",
        "@ pasea en círculo",
        "schlendert @ im Kreis",
        "@ flâne en rond",
        "@ 慢悠悠地 绕圈 走",
    ),
    "hurry": (
        "@ hurries around in a circle",
        "@ camina deprisa en círculo",
        "eilt @ im Kreis herum",
        "@ se dépêche en tournant en rond",
        "@ 急匆匆地 绕圈 走",
    ),
    "wave slowly": (
        "@ waves slowly",
        "@ saluda lentamente con la mano",
        "winkt @ langsam",
        "@ fait lentement signe de la main",
        "@ 慢慢地 挥手",
    ),
    "wave fast": (
        "@ waves fast",
        "@ saluda rápidamente con la mano",
        "winkt @ schnell",
        "@ fait rapidement signe de la main",
        "@ 快速地 挥手",
    ),
    "squat slowly": (
        "@ does squats slowly",
        "@ hace sentadillas lentamente",
        "macht @ langsam Kniebeugen",
        "@ fait lentement des flexions",
        "@ 慢慢地 做 深蹲",
    ),
    "squat fast": (
        "@ does squats fast",
        "@ hace sentadillas rápidamente",
        "macht @ schnell Kniebeugen",
        "@ fait rapidement des flexions",
        "@ 快速地 做 深蹲",
    ),
    "clap slowly": (
        "@ claps slowly",
        "@ aplaude lentamente",
        "klatscht @ langsam",
        "@ applaudit lentement",
        "@ 慢慢地 鼓掌",
    ),
    "clap fast": (
        "@ claps fast",
        "@ aplaude rápidamente",
        "klatscht @ schnell",
        "@ applaudit rapidement",
        "@ 快速地 鼓掌",
    ),
    "jump then wave": (
        "@ jumps and then waves",
        "@ salta y luego saluda con la mano",
        "springt @ und winkt dann",
        "@ saute puis fait signe de la main",
        "@ 先 跳起 ， 然后 挥手",
    ),
    "wave then jump": (
        "@ waves and then jumps",
        "@ saluda con la mano y luego salta",
        "winkt @ und springt dann",
        "@ fait signe de la main puis saute",
        "@ 先 挥手 ， 然后 跳起",
    ),
    "bow then kick": (
        "@ bows and then kicks",
        "@ se inclina y luego da una patada",
        "verbeugt sich @ und tritt dann in die Luft",
        "@ s'incline puis donne un coup de pied",
        "@ 先 鞠躬 ， 然后 踢腿",
    ),
    "kick then bow": (
        "@ kicks and then bows",
        "@ da una patada y luego se inclina",
        "tritt @ in die Luft und verbeugt sich dann",
        "@ donne un coup de pied puis s'incline",
        "@ 先 踢腿 ， 然后 鞠躬",
    ),
    "crouch then reach up": (
        "@ crouches and then reaches up",
        "@ se agacha y luego estira los brazos hacia arriba",
        "geht @ in die Hocke und streckt dann die Arme hoch",
        "@ s'accroupit puis lève les bras",
        "@ 先 蹲下 ， 然后 向 上 伸手",
    ),
    "reach up then crouch": (
        "@ reaches up and then crouches",
        "@ estira los brazos hacia arriba y luego se agacha",
        "streckt @ die Arme hoch und geht dann in die Hocke",
        "@ lève les bras puis s'accroupit",
        "@ 先 向 上 伸手 ， 然后 蹲下",
    ),
    "carry umbrella": (
        "@ walks in a circle under [umbrella|an *umbrella]",
        "@ camina en círculo bajo [umbrella|un *paraguas]",
        "geht @ unter [umbrella|einem *Regenschirm] im Kreis",
        "@ marche en rond sous [umbrella|un *parapluie]",
        "@ 撑着 [umbrella|一把 *雨伞] 绕圈 走",
    ),
    "ride bicycle": (
        "@ rides [bicycle|a *bicycle]",
        "@ monta en [bicycle|una *bicicleta]",
        "fährt @ auf [bicycle|einem *Fahrrad]",
        "@ fait du vélo sur [bicycle|une *bicyclette]",
        "@ 骑着 [bicycle|一辆 *自行车]",
    ),
    "hold ball overhead": (
        "@ holds [ball|a *ball] overhead",
        "@ sostiene [ball|una *pelota] sobre la cabeza",
        "hält @ [ball|einen *Ball] über dem Kopf",
        "@ tient [ball|un *ballon] au-dessus de la tête",
        "@ 把 [ball|一个 *球] 举过 头顶",
    ),
    "sit reading": (
        "@ sits on [chair|a *chair] and reads [book|a *book]",
        "@ lee [book|un *libro] en [chair|una *silla]",
        "sitzt @ auf [chair|einem *Stuhl] und liest [book|ein *Buch]",
        "@ lit [book|un *livre] sur [chair|une *chaise]",
        "@ 坐 在 [chair|*椅子] 上 看 [book|一本 *书]",
    ),
}


@dataclass(frozen=True)
class Phrase:
    """Words `start` to `end` (exclusive) of a caption name `owner`; the word `head` stands for it."""

    owner: str
    start: int
    end: int
    head: int


@dataclass(frozen=True)
class Caption:
    """A sentence as words, and which of them can be pointed at."""

    language: str
    words: tuple[str, ...]
    phrases: tuple[Phrase, ...]

    @property
    def sentence(self) -> str:
        if self.language == "zh":
            return "".join(self.words)
        return re.sub(r" ([,.])", r"\1", " ".join(self.words)).replace("d' ", "d'").replace("l' ", "l'")


def _colour_name(colour: Colour, language: str) -> str:
    def distance(entry: tuple[Colour, tuple[str, ...]]) -> float:
        peak, own = max(*entry[0], 1), max(*colour, 1)  # of full brightness: shirts are named by hue
        return sum((a / peak - b / own) ** 2 for a, b in zip(entry[0], colour, strict=True))

    _, names = min(_COLOURS.values(), key=distance)
    return names[LANGUAGES.index(language)]


def describe(label: str, shirt: Colour, level: str, language: str) -> Caption:
    """The caption of an action of class `label` by somebody in a shirt of that colour."""
    subject = _SUBJECT[language].format(_colour_name(shirt, language))
    action = _ACTIONS[label][LANGUAGES.index(language)].replace("@", f"[person|{subject}]")
    text = _PLACE[level][language] + action + (" 。" if language == "zh" else " .")
    words: list[str] = []
    phrases: list[Phrase] = []
    for piece in re.findall(r"\[[^]]*\]|[^\s\[\]]+", text):
        if not piece.startswith("["):
            words.append(piece)
            continue
        owner, _, phrase = piece[1:-1].partition("|")
        start, parts = len(words), phrase.split()
        head = next(index for index, word in enumerate(parts) if word.startswith("*"))
        words += [word.lstrip("*") for word in parts]
        phrases.append(Phrase(owner, start, len(words), start + head))
    return Caption(language, tuple(words), tuple(phrases))
