"""The words of a report, for a reader who has never seen one."""

GLOSSARY = (
    ("Sample", "The synthetic table. Its rows were drawn from a model, not taken from the real table."),
    (
        "Holdout",
        "Real rows set aside before anything was trained. What they read is the limit of what any sample can read.",
    ),
    ("Bootstrap", "Real training rows drawn again with replacement: the ceiling of a figure."),
    (
        "Bar",
        "What real rows that nothing was trained on would read, were there as many of them as of the sample: the "
        "holdout's figure times the square root of (1/n + 1/N) / (1/h + 1/N), for n rows of the sample, N real and h "
        "holdout rows, or the bootstrap's figure where that is worse, and a tenth more. For models: what training on "
        "real rows reads. For disclosure: the control.",
    ),
    ("Independent columns", "Every column shuffled by itself: right columns, no relations. The floor of a figure."),
    (
        "Shape",
        "How far a column's distribution is off: Kolmogorov-Smirnov distance of numbers, total variation of labels.",
    ),
    (
        "Trend",
        "How far a pair of columns is off: difference of the correlations of numbers, otherwise total variation of the "
        "joint table.",
    ),
    (
        "tvd2, tvd3",
        "Total variation distance of pairs, or of drawn triples, of columns, averaged; numbers in 20 quantile bins.",
    ),
    (
        "c2st",
        "Classifier two-sample test: 2 - 2 AUC of gradient boosting that tells real from synthetic. At 1 it cannot.",
    ),
    (
        "Utility",
        "A model trained on the sample and tested on real holdout rows, beside the same model trained on real rows.",
    ),
    (
        "Overlap of intervals",
        "Share of the 95% confidence intervals of the real and the synthetic estimate that both have in common: 1 "
        "equal, 0 apart. Two fresh real tables of the same size read about 0.7.",
    ),
    (
        "Standardised difference",
        "Difference of the synthetic from the real estimate, in standard errors of the real one.",
    ),
    (
        "Combined estimate",
        "Mean of an analyst's estimate over several samples of one synthesizer. Its interval allows for the draw of "
        "the real rows and for those of the samples: for rows of a model fitted once its variance is that inside a "
        "sample, times k/n + 1/m (k and n: rows of a sample and of the real table, m samples).",
    ),
    (
        "Spread between samples",
        "Standard deviation of an estimate over the samples. Draws of one model differ by the standard error that one "
        "of them has; far more means that the samples come of different fits, far less that they were made alike.",
    ),
    (
        "S_pMSE",
        "How well a logistic regression tells synthetic from real rows (mean squared propensity score), over what the "
        "right model of the data would leave: 1 is perfect, fresh real rows read about 2, below 3 is good.",
    ),
    (
        "Importance agreement",
        "Whether a model trained on the sample leans on the same columns as one trained on real rows: rank correlation "
        "of the loss when each column is shuffled.",
    ),
    (
        "By chance",
        "What fresh real rows read on average beside these real rows. The bar of a section that names it is what they "
        "exceed once in a thousand reports, however many columns, pairs or groups are looked at.",
    ),
    (
        "k-marginal score",
        "1000 times one minus the mean total variation over pairs of columns (with the area, where there is one), as "
        "NIST's SDNist has it. The equivalent subsample is the share of the real rows, drawn at random, that scores "
        "the same; as many fresh real rows score like a third of them, not like all. By area: the score of the rows "
        "there against the real rows there.",
    ),
    (
        "Missing values",
        "Patterns: which columns are missing together. Dependence: among the rows where a column is missing, the "
        "columns that tell such rows in the real table; total variation, averaged.",
    ),
    (
        "Group, crossing",
        "The rows with one label of a column (an area, a sex), or of two columns. Its size is off by the difference of "
        "its shares over the larger one: 50% where half of it is gone, 100% where all of it is.",
    ),
    (
        "Survey weight",
        "How many people of the population a row stands for. Weighted figures count every row with its weight, as "
        "published tables do; the others count rows, as the generator sees them. Both must pass.",
    ),
    (
        "Population",
        "The sum of the weights: of the real rows, and of as many rows of the sample.",
    ),
    (
        "Design effect",
        "What unequal weights cost (Kish): so many rows are worth one row of equal weight.",
    ),
    (
        "V",
        "Cramer's V without its bias: how strongly two columns are related, 0 to 1. An association is invented where "
        "the real table has nearly none and the sample more than sampling explains.",
    ),
    (
        "Impossible pair",
        "Two values that hardly any real row has together, although both are frequent.",
    ),
    (
        "Propensity",
        "Chance that a row is taken for synthetic by a classifier that did not learn from it. The rows with the "
        "highest are the easiest to tell.",
    ),
    ("Copies", "Rows of the sample that equal a training row in every modelled column; real holdout rows do, too."),
    ("Near copies", "Rows that agree with a training row in all columns but one at most, close numbers as equal."),
    (
        "Control",
        "Real rows that nothing was trained on, attacked in the same way. What an attack finds among them is "
        "knowledge of the population; only what it finds beyond was learnt by heart.",
    ),
    (
        "Risk",
        "Of linking, singling out and guessing: (attack - control) / (1 - control), the share of what the control "
        "leaves that training gave away. 0: nothing; below 0: the control was easier, by chance.",
    ),
    (
        "Membership inference",
        "Telling whether a row was trained on: by its distance to the nearest synthetic row, or by how much denser "
        "synthetic rows are around it than other real rows. AUC .5 is a toss of a coin; the share of members found "
        "where 1% (.1%) of others are taken for members shows whether a few are certain.",
    ),
    (
        "Attribute inference",
        "Guessing a sensitive value of a person from the other columns: by the nearest synthetic row, and by a "
        "model trained on the sample.",
    ),
    (
        "CAP, TCAP",
        "Correct attribution probability: among synthetic rows with a person's known cells, the share with the "
        "person's sensitive cell; TCAP: how often it is right where all such rows agree.",
    ),
    (
        "Singling out",
        "A description that fits one synthetic row only (a rare value, or several conditions) fits exactly one "
        "training row.",
    ),
    (
        "Linkability",
        "Someone with two files of half of the columns each links two entries as one person because both have the "
        "same nearest synthetic row.",
    ),
    (
        "Replicated uniques",
        "People alone with their combination of the columns they could be looked up by, whose combination occurs "
        "once in the sample.",
    ),
    (
        "Distance share",
        "Share of synthetic rows nearer to a training row than to a holdout row, of equal numbers of both. Without "
        "memory of the training rows it is 50%.",
    ),
)
"""(word, meaning)"""

HOW = (
    "Read the verdict: how many headline figures pass, and the three worst problems with what to try.",
    "In the scorecard, compare each figure with its bar. A bar is not a matter of taste: it is what real rows that "
    "nothing was trained on read.",
    "In every section the worst comes first, so the first rows and drawings are enough to know the rest.",
    "A drawing has a sentence that says where to look, a table with its figures, and the table as CSV. With a "
    "keyboard: Tab reaches a drawing, the arrow keys read its points.",
    "Disclosure is judged apart from fidelity: a copy of the training rows is perfect in all else.",
    "“unavailable” is no pass. The row says what was missing and what to do about it.",
)
"""How to read a report, in order."""

NAMES = {
    "c2st": "c2st (1: cannot be told apart)",
    "detection_auc": "AUC of telling them apart (0.5: cannot)",
    "utility_auc": "AUC",
    "utility_macro_f1": "Macro F1",
    "utility_accuracy": "Accuracy",
    "utility_r2": "R2",
    "utility_mae": "Mean absolute error",
    "utility_ranking": "Ranking of the methods (Kendall's tau)",
    "utility_top": "Shared among the most important columns",
    "utility_importance": "Agreement on which columns matter (Spearman)",
    "analysis_overlap": "Overlap of confidence intervals",
    "analysis_worst": "Furthest estimate, in standard errors",
    "analysis_difference": "Mean standardised difference",
    "analysis_agreement": "Same sign and same verdict at 5%",
    "analysis_cover": "Intervals that hold the real estimate",
    "pooled_cover": "Combined intervals that hold the real estimate",
    "pooled_overlap": "Overlap of combined and real intervals",
    "pooled_worst": "Furthest combined estimate, in standard errors",
    "pooled_spread": "Spread between samples over that inside one (1: independent draws)",
    "spmse": "S_pMSE, all columns (main effects)",
    "spmse_pairs": "S_pMSE of pairs, mean",
    "k_marginal": "k-marginal score (0 to 1000)",
    "k_marginal_area": "k-marginal score by area",
    "k_marginal_subsample": "Subsample with the same k-marginal score",
    "coverage": "Real rows whose label is lost",
    "range": "Rows beyond the real range",
    "missing_patterns": "Patterns of missing values",
    "missing_dependence": "Kinds of rows with missing values",
    "subgroup_size": "Size of a group",
    "crossing_size": "Size of a crossing of two groups",
    "subgroup_error": "Other columns within a group",
    "invented": "Association that is invented (V)",
    "vanished": "Association that is lost (V)",
    "functions": "Rows that break a relation of columns",
    "impossible": "Rows with an impossible pair of values",
    "rules": "Rows that break a rule of the schema",
    "dates": "Parts of dates",
    "text_missing": "Missing share of surrogates",
    "text_length": "Length of surrogates",
    "identifier_repeats": "Identifiers that repeat",
    "weighted_total": "Sum of the weights (population)",
    "weighted_group": "A group's share of the population",
    "weighted_shape": "Weighted shares of a column",
    "weighted_trend": "Weighted table of a pair",
    "weighted_tvd2": "Weighted pairs (total variation)",
    "weighted_tvd3": "Weighted triples (total variation)",
    "weighted_mean": "Weighted mean, in standard deviations",
    "near_copies": "Rows that nearly equal a training row",
    "membership_auc": "AUC of telling members",
    "membership_tpr_1": "Members found at 1% false alarms",
    "membership_tpr_01": "Members found at .1% false alarms",
    "inference_neighbour": "Risk of guessing, nearest row",
    "inference_model": "Risk of guessing, model",
    "cap": "CAP (right among equal rows)",
    "singling_out_univariate": "Risk of singling out, one column",
    "singling_out_multivariate": "Risk of singling out, several columns",
    "linkability": "Risk of linking",
    "replicated_uniques": "Replicated uniques",
    "copies": "Rows that equal a training row",
    "dcr_share": "Distance share (50%: no memory)",
    "dcr_ratio": "Median distance to training rows over that to holdout rows",
}
"""Names of metrics as a reader knows them."""
