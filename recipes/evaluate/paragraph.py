"""One paragraph in the five house languages."""

PARAGRAPHS = {
    "en": "The old lighthouse stood at the end of the pier, and every evening its lamp drew slow circles over the water. "
          "Nobody remembered who had lit it first. The fishermen said that it had always been there.",
    "de": "Der alte Leuchtturm stand am Ende der Mole, und jeden Abend zog seine Lampe langsame Kreise über das Wasser. "
          "Niemand wusste mehr, wer sie zuerst angezündet hatte. Die Fischer sagten, sie sei immer da gewesen.",
    "nl": "De oude vuurtoren stond aan het einde van de pier, en elke avond trok zijn lamp trage kringen over het water. "
          "Niemand wist nog wie haar voor het eerst had aangestoken. De vissers zeiden dat ze er altijd was geweest.",
    "fr": "Le vieux phare se dressait au bout de la jetée, et chaque soir sa lampe traçait de lents cercles sur l'eau. "
          "Personne ne savait plus qui l'avait allumée le premier. Les pêcheurs disaient qu'elle avait toujours été là.",
    "zh": "老灯塔立在码头的尽头，每天晚上，它的灯光在水面上慢慢地画着圆圈。"
          "没有人记得是谁第一个点亮了它。渔民们说，它一直都在那里。",
}
