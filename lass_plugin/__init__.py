"""Language-specific sub-networks of multilingual models, as a plugin for fairseq.

A multilingual model holds a part of its own for every language or pair. Units get a
number each (scores), a share of them is selected (selection, schedules), a model is
trained and translates as if the rest were not there (methods), and masks and models are
compared (analysis, evaluation). The rooms, in the order in which data flows:

    errors, streams, files, signals, devices, tensor_files, locks, settings, registry,
    languages, language_families,
    language_names,
    resource_types      what everything else stands on
    places              the GPUs and cores that processes get
    anatomy             parts of a model: mask targets, matrices, neurons, components
    scores, selection,
    schedules           Eq. 2 to 4 of He 2023, Eq. 7 and 8 of Xie 2021
    records             JSON, CSV, Markdown, LaTeX; heat maps and curves made of them
    corpora, data       text; data folders and batches of one language key
    checkpoints         a checkpoint, read once and handed on; stock fairseq's layout
    fairseq_fixes       what is repaired in fairseq and torch, one fault a file
    masks               bits of masks, their files, how they are merged and drawn
    training, optim     W ⊙ M (training/masked_weights), strict updates, precisions
    options             what every task can be told
    methods             what a method is (methods/method), and each in a folder:
      search              scores while a pair is trained (He 2023, §3.2; Lin 2021, §3.2)
      subnetworks         joint training under masks (He 2023, §3.3; Xie 2021)
      lowrank             modules beside a frozen base (Cao 2024)
      sparse_tuning       differences to a frozen base (Ansell 2022)
      decoders            decoders, attention of each target (Dong 2015; Blackwood 2018)
      gates               heads, hidden units and ranks that are left out (Li 2022)
      adapters            small layers behind every layer (Bapna 2019, Philip 2020)
    criterions          losses that fairseq knows by name
    tasks               what fairseq-train knows by name; models: architectures
    evaluation, tables  translations, scores, zero-shot; the papers' tables
    analysis            similarity of masks, trees, how settled a search is
    neurons             importance and allocation of neurons (Xie 2021)
    papers              the papers' tables as data, and ours beside them
    experiments         stages that know what they were made with: searches, sweeps,
                        new pairs, the fit of low-rank modules, the quick start; recipes
    report_page         a run as one page of HTML
    cli                 the command lass, one subcommand a file

A new method or score: docs/extending.md. Where an equation is: docs/equations.md.
"""
