//! Pearson's chi-square test of goodness of fit: do so many users in each version agree with the split?
//!
//! `χ² = Σ (observed − expected)² / expected`, with one degree of freedom less than there are versions
//! (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.15). Its p-value is the upper tail of the
//! chi-square distribution, which for whole degrees of freedom is a finite sum (Abramowitz and Stegun,
//! Handbook of Mathematical Functions, 26.4.4 and 26.4.5).

use std::f64::consts::PI;

/// The outcome of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fit {
    /// How far what was observed is from what was expected.
    pub(super) chi_square: f64,
    /// How probable it is that chance alone brings it at least so far.
    pub(super) p_value: f64,
}

/// Where fewer are expected of a version, the distribution of χ² is not that of the test (NIST 1.3.5.15).
const FEWEST_EXPECTED: f64 = 5.0;

impl Fit {
    /// Tests so many users of each version against the share that it should have; shares add up to 1.
    ///
    /// `None` when nothing can be said: there are fewer than two versions, or some version should have
    /// fewer than five users.
    pub(super) fn of(versions: &[(i64, f64)]) -> Option<Fit> {
        let users: i64 = versions.iter().map(|(users, _)| users).sum();
        let expected = |share: f64| share * users as f64;
        if versions.len() < 2 || versions.iter().any(|(_, share)| expected(*share) < FEWEST_EXPECTED) {
            return None;
        }
        let deviation = |(users, share): &(i64, f64)| (*users as f64 - expected(*share)).powi(2) / expected(*share);
        let chi_square = versions.iter().map(deviation).sum();
        Some(Fit { chi_square, p_value: upper_tail(chi_square, versions.len() - 1) })
    }
}

/// The probability that a chi-square variable with so many degrees of freedom exceeds `x`.
fn upper_tail(x: f64, degrees: usize) -> f64 {
    let half = x / 2.0;
    let odd = degrees % 2 == 1;
    // The sum begins with the tail for one degree of freedom or none, and each step adds two.
    let (mut sum, mut term, first) = match odd {
        true => (libm::erfc(half.sqrt()), (-half).exp() * (half / PI).sqrt() * 2.0, 1.5),
        false => (0.0, (-half).exp(), 1.0),
    };
    for step in 0..degrees / 2 {
        sum += term;
        term *= half / (first + step as f64);
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn test(users: &[i64], weights: &[f64]) -> Fit {
        let sum: f64 = weights.iter().sum();
        let versions: Vec<_> = users.iter().copied().zip(weights.iter().map(|weight| weight / sum)).collect();
        Fit::of(&versions).unwrap()
    }

    fn is_close(found: f64, expected: f64, digits: i32) -> bool {
        (found - expected).abs() <= expected.abs() * 0.5 * 10_f64.powi(1 - digits)
    }

    /// As printed, to so many digits: Kohavi, Tang, Xu, "Trustworthy Online Controlled Experiments" (2020),
    /// chapter 3 (821,588 to 815,482); Wikipedia, "Sample ratio mismatch" (600 to 400); a fair die,
    /// Wikipedia, "Pearson's chi-squared test" (5, 8, 9, 8, 10, 20).
    #[test]
    fn published_examples() {
        let kohavi = test(&[821_588, 815_482], &[1.0, 1.0]);
        assert!(is_close(kohavi.p_value, 1.8e-6, 2), "{kohavi:?}");
        let wikipedia = test(&[600, 400], &[1.0, 1.0]);
        assert!(is_close(wikipedia.p_value, 2.54e-10, 3), "{wikipedia:?}");
        let die = test(&[5, 8, 9, 8, 10, 20], &[1.0; 6]);
        assert!(is_close(die.chi_square, 13.4, 3), "{die:?}");
    }

    /// Printed by scipy 1.17.1: `chisquare(users, [sum(users) * w / sum(weights) for w in weights])`.
    #[test]
    fn the_same_as_scipy() {
        let cases: [(&[i64], &[f64], f64, f64); 9] = [
            (&[600, 400], &[1.0, 1.0], 40.0, 2.5396285894708634e-10),
            (&[44_000, 45_000], &[1.0, 1.0], 11.235955056179776, 0.0008022781177678721),
            (&[821_588, 815_482], &[1.0, 1.0], 22.77436884189436, 1.8217928726191858e-06),
            (&[5100, 2400, 2500], &[0.5, 0.25, 0.25], 6.0, 0.04978706836786395),
            (&[333_500, 332_000, 334_500], &[1.0; 3], 9.5, 0.008651695203120634),
            (&[16, 18, 16, 14, 12, 12], &[1.0; 6], 2.0, 0.8491450360846096),
            (&[9021, 1000], &[0.9, 0.1], 0.00488973156371646, 0.9442520688227988),
            (&[120, 90, 95, 105, 88, 102, 97], &[1.0; 7], 7.08751793400287, 0.3128294194427384),
            (&[500, 500], &[1.0, 1.0], 0.0, 1.0),
        ];
        for (users, weights, chi_square, p_value) in cases {
            let fit = test(users, weights);
            assert!(is_close(fit.chi_square, chi_square, 11), "{users:?}: {fit:?}");
            assert!(is_close(fit.p_value, p_value, 11), "{users:?}: {fit:?}");
        }
    }

    /// Printed by scipy 1.17.1: `chi2.sf(x, degrees)`.
    #[test]
    fn the_tail_far_out_is_that_of_scipy() {
        let cases = [
            (10.828, 1, 0.0009997657195830916),
            (10.828, 9, 0.2876832201007043),
            (200.0, 1, 2.0884875837625688e-45),
            (200.0, 2, 3.7200759760208177e-44),
            (200.0, 3, 4.218541107192018e-43),
            (200.0, 5, 2.8406228986415534e-41),
            (200.0, 9, 3.312992393909567e-38),
            (1400.0, 1, 2.1010145162644003e-306),
        ];
        for (x, degrees, expected) in cases {
            let found = upper_tail(x, degrees);
            assert!(is_close(found, expected, 10), "{x}, {degrees}: {found:e}");
        }
        assert_eq!(upper_tail(1e6, 1), 0.0);
    }

    #[test]
    fn where_too_few_are_expected_nothing_is_said() {
        assert_eq!(Fit::of(&[]), None);
        assert_eq!(Fit::of(&[(1000, 1.0)]), None);
        assert_eq!(Fit::of(&[(0, 0.5), (0, 0.5)]), None);
        assert_eq!(Fit::of(&[(9, 0.5), (0, 0.5)]), None);
        assert!(Fit::of(&[(10, 0.5), (0, 0.5)]).is_some());
        assert_eq!(Fit::of(&[(49, 0.9), (0, 0.1)]), None);
    }

    proptest! {
        #[test]
        fn a_p_value_is_a_probability_and_falls_with_the_distance(
            x in 0.0..5000.0_f64,
            more in 0.0..5000.0_f64,
            degrees in 1_usize..40,
        ) {
            let (near, far) = (upper_tail(x, degrees), upper_tail(x + more, degrees));
            prop_assert!((0.0..=1.0).contains(&near) && far <= near * (1.0 + 1e-12), "{near} {far}");
        }
    }
}
