"""The default texts of an SMS with a code, and of one that users send to us, by language.

Each fits into one segment. That is 160 characters of GSM 03.38, or 70 of UCS-2 if a text needs other letters.
So the Spanish text avoids *código*, and the Turkish one *ş*. The line that binds the code, with two line
breaks before it, takes 26 characters for the host otp.example.com and six digits.
"""

from __future__ import annotations

#: By tag as otp.languages.tag writes it; "" is for all other languages.
TEXTS = {
    "": "{code} is your {site} code. It expires in {minutes} min. Do not share it.",
    "ar": "رمز {site}: {code}، صالح {minutes} د. لا تشاركه.",
    "de": "{code} ist Ihr {site}-Code. Er gilt {minutes} Min. Geben Sie ihn nicht weiter.",
    "es": "{code} es su clave de {site}. Caduca en {minutes} min. No la comparta con nadie.",
    "fa": "کد {site}: {code} تا {minutes} دقیقه. به کسی ندهید.",
    "fr": "{code} est votre code {site}. Il expire dans {minutes} min. Ne le partagez pas.",
    "hi": "{site} कोड: {code}, {minutes} मिनट। किसी को न दें।",
    "id": "{code} adalah kode {site} Anda. Berlaku {minutes} menit. Jangan bagikan.",
    "it": "{code} è il Suo codice {site}. Scade tra {minutes} min. Non lo condivida.",
    "ja": "{site}の認証コード：{code}（{minutes}分間有効）。他人に教えないでください。",
    "ko": "{site} 인증번호 {code} ({minutes}분). 타인에게 알려주지 마세요.",
    "nl": "{code} is uw {site}-code. Hij verloopt over {minutes} min. Deel hem niet.",
    "pl": "{code} to kod {site}. Wygasa za {minutes} min. Nie podawaj go nikomu.",
    "pt": "{site}: confirme com {code}. Expira em {minutes} min. Nunca o diga a outra pessoa.",
    "ru": "Код {site}: {code}, {minutes} мин. Не сообщайте.",
    "tr": "{site} kodunuz: {code}. {minutes} dakika sonra biter. Kimseye vermeyin.",
    "uk": "Код {site}: {code}, {minutes} хв. Нікому не кажіть.",
    "vi": "Mã {site}: {code} ({minutes} phút). Đừng chia sẻ.",
    "zh-hans": "{code}是您的{site}验证码，{minutes}分钟内有效，请勿告知他人。",
    "zh-hant": "{code}是您的{site}驗證碼，{minutes}分鐘內有效，請勿告知他人。",
}
TEXTS["en"] = TEXTS[""]

#: For reverse verifications. The code comes first, with spaces around code and name: see otp.inbound.
REVERSE = {
    "": "{code} {site}: I am verifying my own number. Nobody asked me to send this.",
    "ar": "{code} {site}: أتحقق من رقمي. لم يطلب مني أحد إرسال هذا.",
    "de": "{code} {site}: Ich bestätige meine eigene Nummer. Niemand hat mich darum gebeten.",
    "es": "{code} {site}: Verifico mi propio teléfono. Nadie me ha pedido enviar esto.",
    "fa": "{code} {site}: این شماره من است. کسی نخواسته این را بفرستم.",
    "fr": "{code} {site} : je vérifie mon propre numéro. Personne ne m'a demandé cet envoi.",
    "hi": "{code} {site}: यह मेरा नंबर है। किसी ने भेजने को नहीं कहा।",
    "id": "{code} {site}: Saya memverifikasi nomor saya sendiri. Tidak ada yang menyuruh saya.",
    "it": "{code} {site}: verifico il mio numero. Nessuno mi ha chiesto di inviare questo SMS.",
    "ja": "{code} {site}：自分の番号を確認します。人に頼まれたものではありません。",
    "ko": "{code} {site}: 제 번호를 인증합니다. 누가 시킨 것이 아닙니다.",
    "nl": "{code} {site}: ik verifieer mijn eigen nummer. Niemand heeft mij dit gevraagd.",
    "pl": "{code} {site}: To jest weryfikacja mojego numeru. Nikt nie prosi mnie o ten SMS.",
    "pt": "{code} {site}: confirmo o meu telefone. Ninguém me pediu para enviar isto.",
    "ru": "{code} {site}: подтверждаю свой номер. Никто не просил.",
    "tr": "{code} {site}: Bu numara benim. Bunu benden kimse istemedi.",
    "uk": "{code} {site}: підтверджую свій номер. Ніхто не просив.",
    "vi": "{code} {site}: Tôi xác minh số của mình. Không ai bảo tôi gửi.",
    "zh-hans": "{code} {site}：我在验证自己的号码，没有人让我发送此短信。",
    "zh-hant": "{code} {site}：我在驗證自己的號碼，沒有人叫我傳送此簡訊。",
}
REVERSE["en"] = REVERSE[""]

#: The language for the numbers of a country, if no locale is given. Countries that are missing here get
#: English: those with several languages (Belgium, Canada, India, Switzerland), and those whose language we
#: do not have.
_SPOKEN = {
    "ar": "AE BH DZ EG IQ JO KW LB LY MA MR OM PS QA SA SD SY TN YE",
    "de": "AT DE LI",
    "es": "AR BO CL CO CR CU DO EC ES GQ GT HN MX NI PA PE PR PY SV UY VE",
    "fa": "AF IR",
    "fr": "BF BJ BL CD CF CG CI FR GA GF GN GP MC MF ML MQ NC NE PF PM RE SN TD TG WF YT",
    "id": "ID",
    "it": "IT SM VA",
    "ja": "JP",
    "ko": "KR",
    "nl": "NL SR",
    "pl": "PL",
    "pt": "AO BR CV GW MZ PT ST",
    "ru": "BY RU",
    "tr": "TR",
    "uk": "UA",
    "vi": "VN",
    "zh-hans": "CN",
    "zh-hant": "HK MO TW",
}

#: Country (ISO 3166 alpha-2) → tag.
LANGUAGES = {country: tag for tag, countries in _SPOKEN.items() for country in countries.split()}
